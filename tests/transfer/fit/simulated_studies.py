"""Simulated studies with known truth and realistic noise and curves, and their judgement.

A study has four cells of seven half-decades of γ from 0.001 to 1 (decades from 1e-4 to 100 for
narrow dips) and γ = 0. The judgement of a pair: is the γ that the source's report recommends within
the margin of the target's best (γ = 0 is a candidate)?
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.analysis import compare, fit_cells
from lkm_tune.transfer.fit.cell_answers import cell_answers
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED

HALF_DECADES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
DECADES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
CELLS = 4
DIVERGES = 0.2
"""Above this γ the runs of a diverging cell have no error."""

USUAL = ("peak", "flat", "slope", "cliff", "two dips", "diverging", "harm")
"""Shapes of curves, one shape per cell."""

Noise = Callable[[np.random.Generator, tuple[int, ...], float], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """How to construct the studies of one kind.

    Attributes:
        shapes: the possible curves of cells.
        gammas: measured γ > 0.
        noise: draws of shape (cells, seeds, γ with 0 first) for a standard deviation.
        missing: share of missing runs.
    """

    shapes: Sequence[str] = USUAL
    gammas: Sequence[float] = HALF_DECADES
    noise: Noise = lambda rng, shape, sigma: rng.normal(0, sigma, shape)
    missing: float = 0.0


def _growing(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Runs at the highest γ differ four times as much as runs at γ = 0."""
    return rng.normal(0, sigma, shape) * np.geomspace(0.5, 2.0, shape[-1])


def _heavy(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Student's t with three degrees of freedom for runs, and for levels of seeds."""
    runs = sigma / np.sqrt(3) * rng.standard_t(3, shape)
    return runs + 0.05 * rng.standard_t(3, (*shape[:2], 1))


def _accidents(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """One run in twenty is 30 % worse."""
    return rng.normal(0, sigma, shape) + np.log(1.3) * (rng.random(shape) < 0.05)


def _shared(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Half of the variance is common to all cells, like a seed's order of batches."""
    common = rng.normal(0, sigma, (1, *shape[1:]))
    return np.sqrt(0.5) * (common + rng.normal(0, sigma, shape))


def _one_noisy(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """The first cell is four times as noisy."""
    noise = rng.normal(0, sigma, shape)
    noise[0] *= 4
    return noise


KINDS: Mapping[str, Kind] = {
    "alike": Kind(),
    "noise grows with γ": Kind(noise=_growing),
    "t₃ runs and seeds": Kind(noise=_heavy),
    "1 in 20 runs 30 % worse": Kind(noise=_accidents),
    "20 % missing": Kind(missing=0.2),
    "plateau with cliff": Kind(shapes=("plateau",)),
    "narrow dips on decades": Kind(shapes=("narrow", "flat"), gammas=DECADES),
    "noise shared by cells": Kind(noise=_shared),
    "one noisy cell": Kind(noise=_one_noisy),
}


def peak(at: float, depth: float, width: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: -depth * np.exp(-0.5 * ((x - np.log10(at)) / width) ** 2)


def random_curve(rng: np.random.Generator, shape: str) -> Callable[[np.ndarray], np.ndarray]:
    """Log error relative to γ = 0 against log10 γ."""
    depth = rng.uniform(0.02, 0.12)
    if shape == "flat":
        level = float(rng.choice([0.0, -0.03]))
        return lambda x: np.full_like(x, level)
    if shape == "slope":
        rise = rng.choice([-1, 1]) * depth / 1.5
        return lambda x: rise * (x + 1.5)
    if shape == "harm":
        middle = rng.uniform(-2, -0.5)
        return lambda x: depth / (1 + np.exp(-3 * (x - middle)))
    if shape in ("cliff", "plateau"):
        dip = peak(10 ** rng.uniform(-2.3, -1.3), depth, 0.7)
        if shape == "plateau":
            dip = lambda x: np.full_like(x, -depth)  # noqa: E731
        steep = rng.uniform(1.5, 3.0)
        return lambda x: dip(x) + np.minimum(0.7 * np.exp(steep * x), 2.0)
    if shape == "two dips":
        first, second = peak(0.004, depth, 0.4), peak(0.2, 0.7 * depth, 0.4)
        return lambda x: first(x) + second(x)
    if shape == "narrow":
        return peak(10 ** rng.uniform(-3, 1), depth, rng.uniform(0.3, 0.5))
    return peak(10 ** rng.uniform(-2.5, -0.5), depth, rng.uniform(0.4, 1.2))


class Truth:
    """One cell's curve, and its measured range."""

    def __init__(self, rng: np.random.Generator, kind: Kind) -> None:
        self.shape = str(rng.choice(list(kind.shapes)))
        self.curve = random_curve(rng, self.shape)
        places = np.linspace(np.log10(kind.gammas[0]), np.log10(kind.gammas[-1]), 6001)
        # A diverging cell's measured range ends at 0.1.
        self.places = places[places <= -1] if self.shape == "diverging" else places
        self.values = self.curve(self.places)
        self.lowest = min(float(self.values.min()), 0.0)

    @property
    def gain(self) -> float:
        """The level of the best γ > 0."""
        return float(1 - np.exp(self.values.min()))

    def level(self, gamma: float) -> float:
        if gamma == 0:
            return 0.0
        place = float(np.log10(gamma))
        if place > self.places[-1] + 0.25:
            return np.inf
        return float(np.interp(place, self.places, self.values))

    def regret(self, gamma: float) -> float:
        return float(np.expm1(self.level(gamma) - self.lowest))


def make_study(
    kind: Kind, noise: float, seeds: int, rng: np.random.Generator
) -> tuple[dict[str, Truth], pd.DataFrame]:
    """The truth by model, and the table of runs."""
    truth = {f"m{i}": Truth(rng, kind) for i in range(CELLS)}
    gammas = (0.0, *kind.gammas)
    errors = kind.noise(rng, (CELLS, seeds, len(gammas)), noise)
    errors += rng.normal(0, 0.05, (CELLS, seeds, 1)) + np.log(50)
    there = rng.random(errors.shape) >= kind.missing
    rows = []
    for cell, (name, known) in enumerate(truth.items()):
        effect = np.concatenate([[0.0], known.curve(np.log10(kind.gammas))])
        for seed in range(seeds):
            for place, gamma in enumerate(gammas):
                if there[cell, seed, place]:
                    error = float(np.exp(errors[cell, seed, place] + effect[place]))
                    lost = known.shape == "diverging" and gamma > DIVERGES
                    rows.append((name, gamma, seed, error, "diverged" if lost else "complete"))
    runs = pd.DataFrame(rows, columns=["model", "gamma", "seed", "test_error", "status"])
    return truth, runs.assign(
        study="s", task="qm9/homo", depth=4, n_train=300, val_error=runs["test_error"]
    )


def random_of(kind: Kind, noise: float, seeds: int, study: int) -> np.random.Generator:
    """The generator of a design; designs share neither truth nor noise."""
    place = list(KINDS.values()).index(kind)
    return np.random.default_rng([study, seeds, round(1000 * noise), place])


def judged(
    kind: Kind, noise: float, seeds: int, margin: float, studies: range
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Tables (of cells, of pairs) of each simulated study.

    Args:
        kind: kind of the studies.
        noise: standard deviation of the log error of a run.
        seeds: number of seeds of every cell.
        margin: margin of the verdicts.
        studies: numbers of the studies; a number identifies one study.
    """
    for study in studies:
        truth, runs = make_study(kind, noise, seeds, random_of(kind, noise, seeds, study))
        fitted = fit_cells(check_runs(runs), seed=0)
        cells = [judge_cell(answer, truth[answer.model]) for answer in cell_answers(fitted, margin)]
        pairs = [
            judge_pair(
                pair.verdict.verdict, pair.gamma, truth[pair.target.model], margin,
                pair.regret.low, pair.regret.high, pair.regret.bound,
            )
            for pair in compare(fitted, margin)
        ]  # fmt: skip
        yield pd.DataFrame(cells).assign(study=study), pd.DataFrame(pairs).assign(study=study)


def judge_cell(answer, truth: Truth) -> dict[str, object]:
    """Whether the intervals of a cell hold the truth, and the cost of the recommended γ."""
    gain = 1 - np.exp(truth.level(answer.recommended))
    good = np.expm1(truth.values - truth.values.min()) <= 1e-9
    inside = (10**truth.places >= answer.gamma_low / 1.05) & (
        10**truth.places <= answer.gamma_high * 1.05
    )
    return {
        "shape": truth.shape,
        "gain": answer.gain_low - 1e-9 <= gain <= answer.gain_high + 1e-9,
        "gain_width": answer.gain_high - answer.gain_low,
        "gamma": bool((inside & good).any()),
        "gamma_width": float(np.log10(answer.gamma_high / answer.gamma_low)),
        "largest_gain": max(truth.gain, 0.0) <= answer.largest_gain + 1e-9,
        "bound": truth.regret(answer.recommended) <= answer.bound + 1e-9,
        "recommended_regret": min(truth.regret(answer.recommended), 1.0),
        "zero_regret": min(truth.regret(0.0), 1.0),
        "decision": answer.decision,
        "misled": answer.decision == "use" and gain < 0,
    }


def judge_pair(
    verdict: str, gamma: float, target: Truth, margin: float, low: float, high: float, bound: float
) -> dict[str, object]:
    """Whether a verdict is right, and whether the pair is clear."""
    regret = target.regret(gamma)
    right = {
        NOTHING: target.gain <= margin,
        TRANSFERS: regret <= margin,
        DOES_NOT: regret > margin,
        UNDECIDED: True,
    }
    clear = "beyond" if regret > 5 * margin else "within" if regret <= margin / 5 else ""
    return {
        "regret": low <= regret + 1e-4 and regret - 1e-4 <= high,
        "bound": regret <= bound + 1e-4,
        "verdict": verdict,
        "decided": verdict != UNDECIDED,
        "wrong": not right[verdict],
        "clear": "nothing" if target.gain <= 0 and clear != "beyond" else clear,
    }
