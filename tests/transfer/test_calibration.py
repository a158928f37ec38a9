"""Intervals and verdicts against simulated truth."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer.analysis import compare, fit_cells, gain
from lkm_tune.transfer.check import check_runs
from lkm_tune.transfer.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED

MARGIN = 0.01
FINE = np.linspace(-3, 0, 3001)


def random_curve(rng: np.random.Generator, shapes):
    kind = rng.choice(["peak", "flat", "slope", "cliff", "two dips"])
    depth = rng.uniform(0.02, 0.12)
    if kind == "flat":
        return shapes["flat"](float(rng.choice([0.0, -0.03]))), True
    if kind == "slope":
        return shapes["slope"](rng.choice([-1, 1]) * depth / 1.5), False
    if kind == "cliff":
        return shapes["cliff"](10 ** rng.uniform(-2.3, -1.3), depth), False
    if kind == "two dips":
        first, second = shapes["peak"](0.004, depth, 0.4), shapes["peak"](0.2, 0.7 * depth, 0.4)
        return lambda x: first(x) + second(x), False
    return shapes["peak"](10 ** rng.uniform(-2.5, -0.5), depth, rng.uniform(0.4, 1.2)), False


def cells(simulate, shapes, studies: int, random: int) -> Iterator[tuple[pd.DataFrame, ...]]:
    """Tables (of cells, of pairs) of each simulated study of 2 cells with 3 to 5 seeds."""
    rng = np.random.default_rng(random)
    for study in range(studies):
        truth = {name: random_curve(rng, shapes) for name in "ab"}
        runs = simulate(
            {name: curve for name, (curve, _) in truth.items()},
            seeds=int(rng.integers(3, 6)), noise=float(rng.choice([0.004, 0.012])),
            random=random + 1000 + study,
        )  # fmt: skip
        fitted = fit_cells(check_runs(runs), seed=0)
        gains = [gain(cell, MARGIN) for cell in fitted]
        values = [curve(FINE) for curve, _ in truth.values()]
        optima = [
            {
                "gain": g.low <= 1 - np.exp(v.min()) <= g.high,
                "gamma": _holds_good_gamma(cell, v, is_flat),
            }
            for cell, g, v, (_, is_flat) in zip(fitted, gains, values, truth.values(), strict=True)
        ]
        pairs = [
            _judge(pair, values["ab".index(pair.source.model)],
                   values["ab".index(pair.target.model)])
            for pair in compare(fitted, gains, MARGIN)
            if not truth[pair.source.model][1]
        ]  # fmt: skip
        yield pd.DataFrame(optima).assign(study=study), pd.DataFrame(pairs).assign(study=study)


def _holds_good_gamma(cell, values, is_flat: bool) -> bool:
    inside = np.interp(FINE, cell.grid, cell.as_good.astype(float)) > 0
    good = np.expm1(values - values.min()) <= (MARGIN if is_flat else 1e-9)
    return bool((inside & good).any())


def _judge(pair, source, target) -> dict[str, object]:
    regret = np.expm1(target[source.argmin()] - target.min())
    has_gain = 1 - np.exp(target.min()) > MARGIN
    right = {
        NOTHING: not has_gain,
        TRANSFERS: regret <= MARGIN,
        DOES_NOT: regret > MARGIN,
        UNDECIDED: True,
    }
    return {
        "regret": pair.regret.low <= regret + 1e-4 and regret - 1e-4 <= pair.regret.high,
        "decided": pair.verdict.verdict != UNDECIDED,
        "wrong": not right[pair.verdict.verdict],
        "clear": regret > 6 * MARGIN,
    }


def check(simulate, shapes, studies: int, coverage: float, decided: float) -> None:
    """Coverage of every interval, and errors among decided verdicts within their bound."""
    tables = list(cells(simulate, shapes, studies, random=0))
    optima, pairs = (pd.concat(part) for part in zip(*tables, strict=True))
    assert optima["gain"].mean() >= coverage
    assert optima["gamma"].mean() >= coverage
    assert pairs["regret"].mean() >= coverage
    assert pairs.loc[pairs["clear"], "decided"].mean() >= decided
    # Clustered by study: its pairs share curves.
    verdicts = pairs[pairs["decided"]].groupby("study")["wrong"].mean()
    error = verdicts.std() / np.sqrt(len(verdicts))
    assert verdicts.mean() - 1.645 * error <= 0.05


def test_intervals_cover_and_verdicts_are_right(simulate, shapes) -> None:
    check(simulate, shapes, studies=30, coverage=0.90, decided=0.4)


@pytest.mark.slow
def test_intervals_cover_and_verdicts_are_right_in_many_studies(simulate, shapes) -> None:
    check(simulate, shapes, studies=200, coverage=0.94, decided=0.5)
