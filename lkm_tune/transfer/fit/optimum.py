"""The best γ of one cell with its interval, and its gain without selection bias.

The γ with the lowest error looks too good on the runs that chose it. So every statement that a γ is
*good* uses cross-fitting over seeds: for seed k, γ̂_{−k} minimises the curve of the other seeds, and
is judged on the curve of seed k alone. Seeds train separate weights, so seed k is independent of
the choice.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.fit.cells import CurveRuns
from lkm_tune.transfer.fit.curve import CurveFit
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.noise_slope import NoiseSlope
from lkm_tune.transfer.fit.response_scale import ResponseScale
from lkm_tune.transfer.fit.rivals import LEVEL, Rivals

LARGEST_REGRET = 1.0
"""Cap of a draw in the mean that gives an expected regret."""

_SET_DRAWS = 1000
_RIVAL_STEP = 2
"""Step over the fine grid: its neighbouring points are almost equal."""

_SURELY_WITHIN, _SURELY_WORSE = 1.6, 6.0
"""Range of the critical value of the largest of many deviations, in standard errors."""


@dataclass(frozen=True)
class CellCurve:
    """A cell's runs with the fitted curve and the cross-fitted choices of γ.

    The fit is on the scale of `fit.response_scale`, which keeps the order of all γ; the properties
    of a cell are log errors relative to the control. The P places are the G points of the fine grid
    and, if the control was measured, γ = 0 as the last place.

    Attributes:
        runs: the measured runs.
        noise_slope: how their noise changes with γ.
        response_scale: the scale of the fit.
        fit: posterior of the curve on that scale given all seeds.
        compressed_draws: draws of the curve on that scale and the grid, shape [D, G]; None with one
            seed, since the noise between seeds is then unknown.
        choices: seed -> the place that the other seeds choose.
        held_out: seed -> the curve of the seed alone on that scale, shape [P].
        shares: seed -> its share of the information on the curve; they sum to 1.
    """

    runs: CurveRuns
    noise_slope: NoiseSlope
    response_scale: ResponseScale
    fit: CurveFit
    compressed_draws: Array | None
    choices: dict[tuple[str, int], int]
    held_out: dict[tuple[str, int], Array]
    shares: dict[tuple[str, int], float]

    @property
    def grid(self) -> Array:
        """log10 γ of the fine grid, shape [G]."""
        return self.fit.model.grid

    @property
    def seeds(self) -> int:
        """Number of seeds with information on the curve."""
        return len(self.held_out)

    @cached_property
    def places(self) -> Array:
        """γ of every place, shape [P]."""
        gammas = 10**self.grid
        return np.append(gammas, 0.0) if self.fit.sees_control else gammas

    @cached_property
    def levels(self) -> Array:
        """The fitted curve at every place: log error relative to the control, shape [P]."""
        return self._with_control(self.response_scale.expand(self.fit.mean))

    @property
    def mean(self) -> Array:
        """The fitted curve on the grid: log error relative to the control, shape [G]."""
        return self.levels[: len(self.grid)]

    @cached_property
    def level_draws(self) -> Array | None:
        """Draws of the curve at every place, shape [D, P], None with one seed."""
        if self.compressed_draws is None:
            return None
        return self._with_control(self.response_scale.expand(self.compressed_draws))

    @property
    def draws(self) -> Array | None:
        """Draws of the curve on the grid, shape [D, G], None with one seed."""
        return None if self.level_draws is None else self.level_draws[:, : len(self.grid)]

    def _with_control(self, values: Array) -> Array:
        if not self.fit.sees_control:
            return values
        return np.concatenate([values, np.zeros((*values.shape[:-1], 1))], axis=-1)

    @cached_property
    def best(self) -> int:
        """Grid index of the γ > 0 with the lowest fitted error."""
        return int(np.argmin(self.mean))

    @cached_property
    def recommended(self) -> int:
        """Place with the lowest posterior mean of the error; γ = 0 is a candidate.

        No draw counts for more than twice the error of the control, so that a small probability of
        a divergence does not hide all other differences.
        """
        if self.level_draws is None:
            return int(np.argmin(self.levels))
        return int(np.argmin(_mean_error(self.level_draws)))

    @cached_property
    def honest_level(self) -> float:
        """Cross-fitted log error, relative to the control, at the place of the other seeds."""
        at = sum(self.shares[k] * self.held_out[k][i] for k, i in self.choices.items())
        return float(self.response_scale.expand(np.asarray(at)))

    @cached_property
    def honest_draws(self) -> Array:
        """Draws around `honest_level`, shape [D]."""
        if self.compressed_draws is None:
            raise ValueError(f"{self.runs.key}: one seed has no held-out seed to be judged on")
        share = np.array([self.shares[k] for k in self.choices])
        control = float(self.response_scale.compress(np.zeros(1))[0])
        chosen = np.array(list(self.choices.values()))
        on_grid = chosen < len(self.grid)
        columns = np.full((len(self.compressed_draws), len(chosen)), control)
        columns[:, on_grid] = self.compressed_draws[:, chosen[on_grid]]
        draws = columns @ share
        # Seeds with different chosen places have independent noise there, so their mean varies as a
        # mean of independent levels. The draws already contain the noise of each seed.
        wanted, found = share @ columns.var(axis=0), draws.var()
        wider = np.sqrt(wanted / found) if found > 0 else 1.0
        level = float(self.response_scale.compress(np.array([self.honest_level]))[0])
        return self.response_scale.expand(level + wider * (draws - draws.mean()))

    @cached_property
    def lowest_draws(self) -> Array:
        """Draws of the lowest error at any place (including γ = 0), shape [D]."""
        if self.level_draws is None:
            raise ValueError(f"{self.runs.key}: one seed gives no draws")
        return np.asarray(self.level_draws.min(axis=1))

    @cached_property
    def rivals(self) -> Rivals:
        """The differences between places."""
        if self.level_draws is None:
            raise ValueError(f"{self.runs.key}: one seed gives no draws")
        return Rivals(self.level_draws, len(self.grid), self.fit.dof)

    @cached_property
    def expected_regret(self) -> Array:
        """Posterior mean regret of every place as a fraction, shape [P]; NaN with one seed.

        A γ that doubles the error counts as diverging.
        """
        if self.level_draws is None:
            return np.full(len(self.places), np.nan)
        return _mean_error(self.level_draws - self.lowest_draws[:, None])

    @cached_property
    def interpolation_covariance(self) -> Array:
        """Covariance of the grid that more seeds at the same γ cannot remove, shape [G, G]."""
        return self.fit.interpolation_covariance()

    def probability_worse(self, margin: float) -> Array:
        """Probability that each place is worse than the best by more than a margin, shape [P]."""
        if self.level_draws is None:
            return np.full(len(self.places), np.nan)
        above = self.level_draws > self.lowest_draws[:, None] + np.log1p(margin)
        return np.asarray(above.mean(axis=0))

    @cached_property
    def best_draws(self) -> Array:
        """Draws of log10 of the best γ > 0, shape [D]."""
        if self.compressed_draws is None:
            raise ValueError(f"{self.runs.key}: one seed gives no draws")
        return np.asarray(self.grid[self.compressed_draws.argmin(axis=1)])

    def with_draws(self, count: int, seed: int) -> CellCurve:
        """The same cell with `count` posterior draws."""
        return replace(self, compressed_draws=self.fit.draw(generator_of(self.runs, seed), count))

    @cached_property
    def as_good(self) -> NDArray[np.bool_]:
        """Whether each γ of the grid is not significantly worse than the best, shape [G].

        Comparisons with the best (J. C. Hsu, Multiple Comparisons, 1996, section 4.2): γ is
        excluded if its error is above the error of some other γ' by more than the 95 % point of the
        largest standardised deviation over the γ' (from the posterior draws of the curve). A γ'
        that looks worse than γ counts correspondingly less (moment selection: D. W. K. Andrews & G.
        Soares, Econometrica 78, 2010, section 4.2).
        """
        if self.compressed_draws is None:
            return np.ones(len(self.grid), dtype=bool)
        centred = self.compressed_draws[:_SET_DRAWS] - self.compressed_draws[:_SET_DRAWS].mean(
            axis=0
        )
        covariance = centred.T @ centred / len(centred)
        variance = covariance.diagonal()
        spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 1e-24))
        np.fill_diagonal(spread, np.inf)
        excess = (self.fit.mean[:, None] - self.fit.mean) / spread
        largest = excess.max(axis=1)
        within = largest <= _SURELY_WITHIN
        for i in np.flatnonzero(~within & (largest <= _SURELY_WORSE)):
            # Only rivals that are not much worse can have the largest deviation.
            rivals = np.flatnonzero(excess[i] > -_SURELY_WORSE)[::_RIVAL_STEP]
            deviation = (centred[:, [i]] - centred[:, rivals]) / spread[i, rivals]
            deviation += np.minimum(excess[i, rivals], 0.0)
            within[i] = largest[i] <= np.quantile(deviation.max(axis=1), LEVEL)
        within[self.best] = True
        return np.asarray(within)

    def flat_within(self, margin: float) -> bool:
        """Whether the curve is shown to vary by less than `margin`.

        That is: with 95 % posterior probability no γ of the measured range has an error more than
        a factor 1 + margin above the error of another γ.
        """
        if self.draws is None or len(self.grid) < 2:
            return False
        return bool(np.quantile(np.ptp(self.draws, axis=1), LEVEL) <= np.log1p(margin))


def _mean_error(levels: Array) -> Array:
    """Mean over the draws of exp(level) − 1, capped at `LARGEST_REGRET`."""
    return np.asarray(np.expm1(np.minimum(levels, np.log1p(LARGEST_REGRET))).mean(axis=0))


def generator_of(runs: CurveRuns, seed: int) -> np.random.Generator:
    """The generator of a cell's draws, which depends only on the seed and the cell."""
    return np.random.default_rng([seed, zlib.crc32(repr(tuple(runs.key)).encode())])
