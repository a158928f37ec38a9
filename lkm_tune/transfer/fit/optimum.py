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

from lkm_tune.transfer.fit.cells import CurveRuns
from lkm_tune.transfer.fit.curve import CurveFit, CurveModel
from lkm_tune.transfer.fit.noise import Array, Information, NoisePrior, pure_error, total
from lkm_tune.transfer.fit.response_scale import Bend, bend_for

LEVEL = 0.95
"""Level of every interval."""

LARGEST_REGRET = 1.0
"""Expected regrets are means over draws, in which no draw counts for more than this."""

_SET_DRAWS = 1000
_RIVAL_STEP = 2
"""Neighbours on the fine grid are so alike that every other one is enough."""

_SURELY_WITHIN, _SURELY_WORSE = 1.6, 6.0
"""Standard errors between which the critical value of the largest of many deviations lies."""


@dataclass(frozen=True)
class CellCurve:
    """A cell's runs with the fitted curve and what cross-fitting says of its best γ.

    The fit lives on the scale of `fit.response_scale`, which keeps the order of all γ;
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
        """Which γ of the grid are not significantly worse than the best, shape [G].

        Comparisons with the best (J. C. Hsu, Multiple Comparisons, 1996, section 4.2): γ is left
        out when its error is above that of some other γ' by more than the 95 % point of the largest
        standardised deviation over the γ', taken from the posterior draws of the curve. A γ' that
        looks worse than γ cannot contradict it and counts by as much less as it looks worse (moment
        selection: D. W. K. Andrews & G. Soares, Econometrica 78, 2010, section 4.2).
        """
        if self.bent_draws is None:
            return np.ones(len(self.grid), dtype=bool)
        centred = self.bent_draws[:_SET_DRAWS] - self.bent_draws[:_SET_DRAWS].mean(axis=0)
        covariance = centred.T @ centred / len(centred)
        variance = covariance.diagonal()
        spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 1e-24))
        np.fill_diagonal(spread, np.inf)
        excess = (self.fit.mean[:, None] - self.fit.mean) / spread
        largest = excess.max(axis=1)
        within = largest <= _SURELY_WITHIN
        for i in np.flatnonzero(~within & (largest <= _SURELY_WORSE)):
            # Only rivals that are not far worse can have the largest deviation.
            rivals = np.flatnonzero(excess[i] > -_SURELY_WORSE)[::_RIVAL_STEP]
            deviation = (centred[:, [i]] - centred[:, rivals]) / spread[i, rivals]
            deviation += np.minimum(excess[i, rivals], 0.0)
            within[i] = largest[i] <= np.quantile(deviation.max(axis=1), LEVEL)
        within[self.best] = True
        return np.asarray(within)

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
