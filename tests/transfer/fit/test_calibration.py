"""Intervals and verdicts against simulated truth."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer.fit.analysis import compare, fit_cells, gain
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED

MARGIN = 0.01
SEEDS = (3, 4, 5)
FINE_GAMMAS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
DECADES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
DIVERGES = 0.2
"""Above this γ the runs of a diverging cell have no error."""

KINDS = ("peak", "flat", "slope", "cliff", "two dips", "diverging")


def random_curve(rng: np.random.Generator, shapes, kind: str):
    depth = rng.uniform(0.02, 0.12)
    if kind == "flat":
        return shapes["flat"](float(rng.choice([0.0, -0.03])))
    if kind == "slope":
        return shapes["slope"](rng.choice([-1, 1]) * depth / 1.5)
    if kind == "cliff":
        return shapes["cliff"](10 ** rng.uniform(-2.3, -1.3), depth)
    if kind == "two dips":
        first, second = shapes["peak"](0.004, depth, 0.4), shapes["peak"](0.2, 0.7 * depth, 0.4)
        return lambda x: first(x) + second(x)
    return shapes["peak"](10 ** rng.uniform(-2.5, -0.5), depth, rng.uniform(0.4, 1.2))


class Truth:
    """One cell's curve, and what of it runs can see."""

    def __init__(self, rng: np.random.Generator, shapes, gammas) -> None:
        self.kind = str(rng.choice(KINDS))
        self.curve = random_curve(rng, shapes, self.kind)
        self.flat = self.kind == "flat"
        # A diverging cell's measured range ends at 0.1.
        places = np.linspace(np.log10(gammas[0]), np.log10(gammas[-1]), 6001)
        self.places = places[places <= -1] if self.kind == "diverging" else places
        self.values = self.curve(self.places)

    @property
    def best(self) -> float:
        return float(self.places[self.values.argmin()])

    @property
    def gain(self) -> float:
        return float(1 - np.exp(self.values.min()))

    def regret(self, place: float) -> float:
        if place > self.places[-1] + 0.25:
            return np.inf
        return float(np.expm1(np.interp(place, self.places, self.values) - self.values.min()))


def cells(
    simulate, shapes, studies: int, random: int, gammas=FINE_GAMMAS, seeds=SEEDS
) -> Iterator[tuple[pd.DataFrame, ...]]:
    """Tables (of cells, of pairs) of each simulated study of 2 to 4 cells."""
    rng = np.random.default_rng(random)
    for study in range(studies):
        truth = {name: Truth(rng, shapes, gammas) for name in "abcd"[: rng.integers(2, 5)]}
        runs = simulate(
            {name: t.curve for name, t in truth.items()},
            seeds=int(rng.choice(seeds)), gammas=gammas, noise=float(rng.choice([0.004, 0.012])),
            random=random + 1000 + study,
        )  # fmt: skip
        diverging = runs["model"].map(lambda name, truth=truth: truth[name].kind == "diverging")
        runs.loc[diverging & (runs["gamma"] > DIVERGES), "status"] = "diverged"
        fitted = fit_cells(check_runs(runs), seed=0)
        gains = [gain(cell, MARGIN) for cell in fitted]
        optima = [
            _covered(cell, g, truth[cell.runs.key.model])
            for cell, g in zip(fitted, gains, strict=True)
        ]
        pairs = [
            _judge(pair, truth[pair.source.model], truth[pair.target.model])
            for pair in compare(fitted, gains, MARGIN)
            if not truth[pair.source.model].flat
        ]
        yield pd.DataFrame(optima).assign(study=study), pd.DataFrame(pairs).assign(study=study)


def _covered(cell, found, truth: Truth) -> dict[str, object]:
    inside = np.interp(truth.places, cell.grid, cell.as_good.astype(float)) > 0
    good = np.expm1(truth.values - truth.values.min()) <= (MARGIN if truth.flat else 1e-9)
    return {
        "kind": truth.kind,
        "gain": found.low - 1e-9 <= truth.gain <= found.high + 1e-9,
        "gain_width": found.high - found.low,
        "gamma": bool((inside & good).any()),
        "gamma_width": float(np.ptp(cell.grid[cell.as_good])),
    }


def _judge(pair, source: Truth, target: Truth) -> dict[str, object]:
    regret = target.regret(source.best)
    right = {
        NOTHING: target.gain <= MARGIN,
        TRANSFERS: regret <= MARGIN,
        DOES_NOT: regret > MARGIN,
        UNDECIDED: True,
    }
    clear = "nothing" if target.gain <= 0 else "within" if regret <= MARGIN / 5 else "beyond"
    return {
        "regret": pair.regret.low <= regret + 1e-4 and regret - 1e-4 <= pair.regret.high,
        "regret_width": pair.regret.high - pair.regret.low,
        "decided": pair.verdict.verdict != UNDECIDED,
        "wrong": not right[pair.verdict.verdict],
        "clear": clear if clear != "beyond" or regret > 5 * MARGIN else "",
    }


def check(
    simulate, shapes, studies: int, coverage: float, decided: float, random: int = 0, **design
) -> None:
    """Coverage of every interval, and errors among decided verdicts within their bound."""
    tables = list(cells(simulate, shapes, studies, random=random, **design))
    optima, pairs = (pd.concat(part) for part in zip(*tables, strict=True))
    show(optima, pairs)
    assert optima["gain"].mean() >= coverage
    assert optima["gamma"].mean() >= coverage
    assert pairs["regret"].mean() >= coverage
    assert pairs.loc[pairs["clear"] != "", "decided"].mean() >= decided
    # Clustered by study: its pairs share curves.
    verdicts = pairs[pairs["decided"]].groupby("study")["wrong"].mean()
    error = verdicts.std() / np.sqrt(len(verdicts))
    assert verdicts.mean() - 1.645 * error <= 0.05


def show(optima: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """The figures of docs/measured.md, seen with `pytest -s`."""
    decided = pairs[pairs["decided"]]
    print(f"\n{len(optima)} cells, {len(pairs)} pairs")  # noqa: T201
    print(optima[["gain", "gamma"]].mean().to_dict(), pairs["regret"].mean())  # noqa: T201
    print("median widths", optima[["gain_width", "gamma_width"]].median().to_dict())  # noqa: T201
    print(pairs["regret_width"].median(), "wrong", decided["wrong"].sum(), len(decided))  # noqa: T201
    print(optima.groupby("kind")[["gain", "gamma", "gamma_width"]].mean())  # noqa: T201
    print(pairs.groupby("clear")["decided"].agg(["size", "mean"]))  # noqa: T201


def test_intervals_cover_and_verdicts_are_right(simulate, shapes) -> None:
    check(simulate, shapes, studies=14, coverage=0.90, decided=0.4)


@pytest.mark.slow
def test_intervals_cover_and_verdicts_are_right_in_many_studies(simulate, shapes) -> None:
    check(simulate, shapes, studies=200, coverage=0.94, decided=0.5)


@pytest.mark.slow
def test_figures_on_decades_with_three_seeds(simulate, shapes) -> None:
    """The default grid of a study: what it can hold is less, and written into docs/transfer.md."""
    check(
        simulate,
        shapes,
        studies=200,
        coverage=0.80,
        decided=0.3,
        random=1,
        gammas=DECADES,
        seeds=(3,),
    )
