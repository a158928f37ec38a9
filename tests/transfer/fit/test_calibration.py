"""Intervals and verdicts against simulated truth; docs/transfer.md has more figures."""

import numpy as np
import pandas as pd
import pytest

from .simulated_studies import KINDS, judged

DESIGNS = [(0.02, 3, 0.02), (0.02, 8, 0.02), (0.05, 3, 0.05), (0.05, 8, 0.05)]
"""Noise of a run, seeds, margin."""

HELD_OUT = 100_000
"""First number of the studies that were not used to choose the rule."""


def tables(kinds, noise: float, seeds: int, margin: float, studies: range):
    """The judged cells and pairs of all studies of some kinds."""
    made = [
        tuple(part.assign(kind=name) for part in two)
        for name in kinds
        for two in judged(KINDS[name], noise, seeds, margin, studies)
    ]
    cells, pairs = (pd.concat(part) for part in zip(*made, strict=True))
    return cells, pairs


def surely_wrong(pairs: pd.DataFrame) -> float:
    """Lower 95 % bound of the share of decided verdicts that are wrong, clustered by study."""
    verdicts = pairs[pairs["decided"]].groupby(["kind", "study"])["wrong"].mean()
    error = verdicts.std() / np.sqrt(len(verdicts)) if len(verdicts) > 1 else 0.0
    return float(verdicts.mean() - 1.645 * error) if len(verdicts) else 0.0


def test_intervals_cover_and_verdicts_are_right() -> None:
    cells, pairs = tables(KINDS, *DESIGNS[1], range(HELD_OUT, HELD_OUT + 5))
    assert surely_wrong(pairs) <= 0.05
    # Of 180 cells; docs/transfer.md has the coverage in many.
    assert cells["gain"].mean() >= 0.9
    assert cells["gamma"].mean() >= 0.9
    assert pairs["regret"].mean() >= 0.85
    assert not cells["misled"].any()
    assert pairs.loc[pairs["clear"] != "", "decided"].mean() >= 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seeds", "margin"), DESIGNS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_in_many_studies(kind, noise, seeds, margin) -> None:
    cells, pairs = tables([kind], noise, seeds, margin, range(HELD_OUT, HELD_OUT + 25))
    assert surely_wrong(pairs) <= 0.05
    # Decades do not show dips between them, and no interval corrects for that.
    coverage = 0.75 if kind == "narrow dips on decades" else 0.87
    assert cells["gain"].mean() >= coverage
    assert pairs["regret"].mean() >= coverage
    assert cells["misled"].mean() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seeds", "margin"), [DESIGNS[1], DESIGNS[3]])
def test_clear_pairs_are_decided_with_eight_seeds(noise, seeds, margin) -> None:
    _, pairs = tables(["alike"], noise, seeds, margin, range(HELD_OUT, HELD_OUT + 40))
    assert pairs.loc[pairs["clear"] != "", "decided"].mean() >= 0.8
