"""The best γ of one cell with its interval, and the gain it brings, honestly selected.

The γ with the lowest error flatters itself on the runs that chose it. So every statement that a
γ is *good* uses cross-fitting over seeds: for seed k, γ̂_{−k} is the minimiser of the curve fitted
to the other seeds, and is judged on the curve of seed k alone. A seed trains its own weights, so
seed k knows nothing of the choice.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.bend import Bend, bend_for
from lkm_tune.transfer.curve import CurveFit, CurveModel
from lkm_tune.transfer.noise import Array, Information, NoisePrior, pure_error, total
from lkm_tune.transfer.runs import CurveRuns

LEVEL = 0.95
"""Level of every interval."""

LARGEST_REGRET = 1.0
"""Expected regrets are means over draws, in which no draw counts for more than this."""

_SET_DRAWS = 1000
_STEP = 4
"""Neighbours on the fine grid are so alike that every fourth place is enough."""


@dataclass(frozen=True)
class CellCurve:
    """A cell's runs with the fitted curve and what cross-fitting says of its best γ.

    The fit lives on the bent scale of `lkm_tune.transfer.bend`, which keeps the order of all γ;
    what is read from a cell is log error relative to the control.

    Attributes:
        runs: the measured runs.
        bend: the scale of the fit.
        fit: posterior of the bent curve given all seeds.
        bent_draws: of the bent curve on the grid, shape [D, G]; None with one seed, where the noise
            between seeds cannot be known.
        choices: grid index of γ̂_{−k} by seed k.
        held_out: the smoothed bent curve of seed k alone by seed k, each of shape [G], on the level
            of the whole fit.
    """

    runs: CurveRuns
    bend: Bend
    fit: CurveFit
    bent_draws: Array | None
    choices: dict[tuple[str, int], int]
    held_out: dict[tuple[str, int], Array]

    @property
    def grid(self) -> Array:
        """log10 γ of the fine grid, shape [G]."""
        return self.fit.model.grid

    @property
    def seeds(self) -> int:
        """Number of seeds that speak on the curve."""
        return len(self.held_out)

    @cached_property
    def mean(self) -> Array:
        """The fitted curve: log error relative to the control, shape [G]."""
        return self.bend.unbend(self.fit.mean)

    @cached_property
    def draws(self) -> Array | None:
        """Draws of the curve, shape [D, G], None with one seed."""
        return None if self.bent_draws is None else self.bend.unbend(self.bent_draws)

    @cached_property
    def best(self) -> int:
        """Grid index of the best γ."""
        return int(np.argmin(self.mean))

    def cross_fitted(self, places: Mapping[tuple[str, int], int]) -> float:
        """Mean over seeds k of seed k's own curve at a grid index that other runs chose."""
        levels = [self.held_out[k][i] for k, i in places.items()]
        return float(self.bend.unbend(np.mean(levels)))

    @cached_property
    def honest_level(self) -> float:
        """Cross-fitted log error relative to the control at the γ chosen on the other seeds."""
        return self.cross_fitted(self.choices)

    @cached_property
    def honest_draws(self) -> Array:
        """Draws around `honest_level`, shape [D]: how sure the level at the chosen γ is."""
        if self.bent_draws is None:
            raise ValueError(f"{self.runs.key}: one seed has no held-out seed to be judged on")
        chosen = list(self.choices.values())
        draws = self.bent_draws[:, chosen].mean(axis=1)
        luck = np.array([self.held_out[k][i] - self.fit.mean[i] for k, i in self.choices.items()])
        # What the seeds make of each other's choices varies beside the curve itself.
        wider = np.sqrt(1 + luck.var(ddof=1) / len(luck) / max(draws.var(), 1e-24))
        return self.bend.unbend(draws.mean() + wider * (draws - draws.mean()) + luck.mean())

    @cached_property
    def lowest_draws(self) -> Array:
        """Draws of the lowest point of the curve, shape [D]."""
        if self.draws is None:
            raise ValueError(f"{self.runs.key}: one seed gives no draws")
        return np.asarray(self.draws.min(axis=1))

    @cached_property
    def expected_regret(self) -> Array:
        """Posterior mean regret of every γ of the grid as a fraction, shape [G]; NaN with one seed.

        A γ that doubles the error counts as one at which training diverges.
        """
        if self.draws is None:
            return np.full(len(self.grid), np.nan)
        above = np.minimum(self.draws - self.lowest_draws[:, None], np.log1p(LARGEST_REGRET))
        return np.asarray(np.expm1(above).mean(axis=0))

    @cached_property
    def best_draws(self) -> Array:
        """Draws of log10 of the best γ, shape [D]."""
        if self.bent_draws is None:
            raise ValueError(f"{self.runs.key}: one seed gives no draws")
        return np.asarray(self.grid[self.bent_draws.argmin(axis=1)])

    @cached_property
    def as_good(self) -> NDArray[np.bool_]:
        """Which γ of the grid may be the best, shape [G].

        The γ whose fitted error is lowest, as many of them as hold the best γ of 95 % of the
        posterior draws of the whole curve: simultaneous over γ, since a draw's best is against all
        others. Where no γ is told from another (`alike`), all of them.
        """
        if self.bent_draws is None or self.alike:
            return np.ones(len(self.grid), dtype=bool)
        at_best = self.fit.mean[self.bent_draws.argmin(axis=1)]
        return np.asarray(self.fit.mean <= np.quantile(at_best, LEVEL, method="inverted_cdf"))

    @cached_property
    def alike(self) -> bool:
        """Whether no γ is significantly worse than another.

        The largest standardised difference between two places on the curve against the 95 % point
        of its posterior deviation (comparisons of all pairs: J. C. Hsu, Multiple Comparisons, 1996,
        section 5.1).
        """
        if self.bent_draws is None:
            return True
        draws = self.bent_draws[:_SET_DRAWS, ::_STEP]
        mean, centred = self.fit.mean[::_STEP], draws - draws.mean(axis=0)
        first, second = np.triu_indices(len(mean), k=1)
        deviation = np.abs(centred[:, first] - centred[:, second])
        spread = np.maximum(np.sqrt((deviation**2).mean(axis=0)), 1e-12)
        largest = (np.abs(mean[first] - mean[second]) / spread).max(initial=0.0)
        return bool(largest <= np.quantile((deviation / spread).max(axis=1, initial=0.0), LEVEL))

    def flat_within(self, margin: float) -> bool:
        """Whether the curve is shown to differ nowhere by more than `margin`.

        That is: with 95 % posterior probability no γ of the measured range has an error more than
        a factor 1 + margin above that of another.
        """
        if self.draws is None or len(self.grid) < 2:
            return False
        return bool(np.quantile(np.ptp(self.draws, axis=1), LEVEL) <= np.log1p(margin))


@dataclass(frozen=True)
class Prepared:
    """A cell's information on its bent scale, with all that does not depend on other cells."""

    runs: CurveRuns
    model: CurveModel
    bend: Bend
    parts: dict[tuple[str, int], Information]
    everything: Information


def prepare(runs: CurveRuns, models: dict[bytes, CurveModel]) -> Prepared:
    """Set up one cell.

    Args:
        runs: of the cell.
        models: one for each γ grid met so far; that of a new grid is added.
    """
    raw = runs.information()
    grid = runs.gammas.tobytes()
    if grid not in models:
        models[grid] = CurveModel(np.log10(runs.gammas))
    model = models[grid]
    everything = total(raw.values()) if raw else _nothing(len(model.x))
    bend, at = bend_for(everything, np.sqrt(pure_error(everything).variance))
    parts = {seed: bend.information(part, at) for seed, part in raw.items()}
    return Prepared(runs, model, bend, parts, bend.information(everything, at))


def fit_cell(cell: Prepared, prior: NoisePrior, lengths: Array, seed: int) -> CellCurve:
    """Fit the curve of one cell.

    Args:
        cell: the cell.
        prior: what the cells together say on the noise.
        lengths: what they say on the lengths of curves (`curve.shared_prior`).
        seed: of the draws. They depend on it and the cell only, not on which cells are beside it.
    """
    runs, model, bend, parts = cell.runs, cell.model, cell.bend, cell.parts
    fit = model.fit(cell.everything, prior, lengths)
    rng = np.random.default_rng([seed, zlib.crc32(repr(tuple(runs.key)).encode())])
    if len(parts) < 2:
        return CellCurve(runs, bend, fit, None, {}, dict.fromkeys(parts, fit.mean))
    choices = {k: _choice(cell, k, prior, lengths) for k in parts}
    held_out = {k: _on_level(fit, parts[k], len(parts)) for k in parts}
    return CellCurve(runs, bend, fit, fit.draw(rng), choices, held_out)


def _nothing(size: int) -> Information:
    return Information(np.zeros((size, size)), np.zeros(size), 0.0, 0, False)


def _choice(cell: Prepared, left_out: tuple[str, int], prior: NoisePrior, lengths: Array) -> int:
    others = total(part for seed, part in cell.parts.items() if seed != left_out)
    return int(np.argmin(cell.model.fit(others, prior, lengths).mean))


def _on_level(fit: CurveFit, seed: Information, seeds: int) -> Array:
    """A seed's smoothed curve; one without a control is set level with the fit where it ran."""
    curve = fit.smooth(seed, seeds)
    if seed.sees_control or not fit.sees_control:
        return curve
    ran = np.abs(fit.model.grid[:, None] - fit.model.x[seed.matrix.diagonal() > 0]).argmin(axis=0)
    return np.asarray(curve - (curve - fit.mean)[ran].mean())
