"""Intervals and verdicts against simulated truth."""

import numpy as np
import pandas as pd
import pytest

from .simulated_studies import KINDS, judged


def check(studies: range, noise: float, seeds: int, margin: float) -> None:
    """Wrong verdicts of every kind are rare, and intervals hold the truth."""
    tables = [two for kind in KINDS.values() for two in judged(kind, noise, seeds, margin, studies)]
    cells, pairs = (pd.concat(part) for part in zip(*tables, strict=True))
    decided = pairs[pairs["decided"]]
    assert len(decided)
    assert decided["wrong"].mean() <= 0.05
    assert cells["bound"].mean() >= 0.9
    assert np.mean(pairs["bound"]) >= 0.9


def test_intervals_cover_and_verdicts_are_right() -> None:
    check(range(2), 0.02, 8, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "margin"), [(0.02, 0.02), (0.05, 0.05)])
@pytest.mark.parametrize("seeds", [3, 8])
def test_intervals_cover_and_verdicts_are_right_in_many_studies(noise, margin, seeds) -> None:
    check(range(100, 130), noise, seeds, margin)
