"""What it costs to use a given γ in a cell, and the tests that verdicts rest on.

Regret of γ in t = exp(f_t(γ) − min f_t) − 1, f = expected log test error, the minimum over all γ
and γ = 0. The γ is a number that was printed (the one that the report of a source cell recommends),
so only f_t is uncertain and is drawn from its posterior.

- *Within the margin m.* The null hypothesis, regret above m, is the union over all rivals γ′ of
  f_t(γ) − f_t(γ′) > ln(1 + m). So its p-value is the largest of P(f_t(γ) − f_t(γ′) > ln(1 + m))
  over the rivals, and needs no correction for their number (intersection–union test: R. L. Berger,
  Technometrics 24, 1982, theorem 1).
- *Gain within the margin.* The same for γ = 0: the largest of P(f_t(0) − f_t(γ′) > −ln(1 − m)).
- *Beyond the margin.* Draws of the regret are never below 0, also where there is no regret at all.
  So P(regret ≤ m) has a second condition, which luck in t's own choice cannot meet: that γ is shown
  to be worse than the place that t chose, at the honest (cross-fitted) level of that choice. The
  p-value is the larger of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.cells import FEWEST_GAMMAS
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import LEVEL, CellCurve
from lkm_tune.transfer.fit.small_p import p_above, p_above_rows

_OUTSIDE = (1 - LEVEL) / 2
_RIVAL_STEP = 2
"""Neighbours on the fine grid are so alike that every other one is enough."""

_RIVALS = 6
"""So many rivals, those with the largest standardised difference, can have the largest p-value."""

_TALLEST = 1.0
"""Draws further above the lowest point in log error than this are alike to the choice of rivals."""


@dataclass(frozen=True)
class Regret:
    """Regret of one γ in a target cell, as fractions of the error; NaN where nothing is known.

    Attributes:
        value: estimate, at least 0; inf where the target diverges.
        low: lower end of the 95 % interval.
        high: upper end; inf where the target never measured such a γ.
        bound: the smallest margin that the regret is shown to be within, by one test at 5 %.
        at_gamma: log error in the target at the γ, relative to its control.
        p_within: p-value of "the regret is above the margin", one for each margin (small: the γ
            works).
        p_beyond: p-value of "the regret is within the margin", one for each margin (small: it does
            not).
    """

    value: float
    low: float
    high: float
    bound: float
    at_gamma: float
    p_within: tuple[float, ...]
    p_beyond: tuple[float, ...]


def unknown(margins: Sequence[float]) -> Regret:
    """With one seed or hardly any γ nothing can be said."""
    nothing = (np.nan,) * len(margins)
    return Regret(np.nan, np.nan, np.nan, np.nan, np.nan, nothing, nothing)


def says_enough(cell: CellCurve) -> bool:
    """Whether a cell has the seeds and γ that a curve takes."""
    return cell.compressed_draws is not None and len(cell.runs.gammas) >= FEWEST_GAMMAS


def regrets(
    target: CellCurve, gammas: Sequence[float], margins: Sequence[float]
) -> dict[float, Regret]:
    """Regret of each γ (0 allowed) in the target."""
    if not says_enough(target):
        return {gamma: unknown(margins) for gamma in gammas}
    rivals = Rivals(target)
    return {gamma: _regret(rivals, gamma, margins) for gamma in dict.fromkeys(gammas)}


class Rivals:
    """The differences between places of one cell, drawn from its posterior."""

    def __init__(self, cell: CellCurve) -> None:
        """Prepare the choice of rivals.

        Args:
            cell: with draws.
        """
        if cell.level_draws is None:
            raise ValueError(f"{cell.runs.key}: one seed gives no draws")
        self.cell = cell
        self.draws: Array = cell.level_draws
        low = np.minimum(self.draws, cell.lowest_draws[:, None] + _TALLEST)
        self._mean = low.mean(axis=0)
        centred = low - self._mean
        self._covariance = centred.T @ centred / len(centred)
        grid, places = len(cell.grid), len(cell.places)
        # γ = 0, the last place, is always a rival.
        self._others = np.union1d(np.arange(0, grid, _RIVAL_STEP), np.arange(grid, places))

    def differences(self, place: int, thresholds: Sequence[float]) -> Array:
        """Draws of f(place) − f(γ′) for the γ′ that matter, increasing in each row.

        Args:
            place: of the γ that is judged.
            thresholds: in log error; for each the rivals with the largest p-value are chosen.

        Returns:
            Shape [rivals, D]; no rows where there is no other place.
        """
        others = self._others[self._others != place]
        variance = self._covariance.diagonal()
        spread = variance[place] + variance[others] - 2 * self._covariance[place, others]
        excess = self._mean[place] - self._mean[others]
        spread = np.sqrt(np.maximum(spread, 1e-24))
        chosen = {
            int(other)
            for threshold in thresholds
            for other in others[np.argsort((threshold - excess) / spread, kind="stable")[:_RIVALS]]
        }
        rows = self.draws[:, [place]].T - self.draws[:, sorted(chosen)].T
        return np.sort(rows, axis=1)


def largest_p(differences: Array, threshold: float, dof: float) -> float:
    """The largest over the rivals of P(f(place) − f(γ′) > threshold); 0 without a rival."""
    return float(p_above_rows(differences, threshold, dof).max(initial=0.0))


def largest_difference(differences: Array) -> float:
    """The smallest threshold in log error whose `largest_p` is at most 5 %, at least 0."""
    return float(np.quantile(differences, LEVEL, axis=1).max(initial=0.0))


def _regret(rivals: Rivals, gamma: float, margins: Sequence[float]) -> Regret:
    target = rivals.cell
    place, diverges = find_place(target, gamma)
    one, zero = (1.0,) * len(margins), (0.0,) * len(margins)
    if diverges:
        return Regret(np.inf, np.inf, np.inf, np.inf, np.inf, one, zero)
    if place is None:
        return Regret(np.nan, 0.0, np.inf, np.inf, np.nan, one, one)
    bounds = [float(np.log1p(margin)) for margin in margins]
    differences = rivals.differences(place, bounds)
    at, dof = rivals.draws[:, place], target.fit.dof
    draws, worse = at - target.lowest_draws, at - target.honest_draws
    not_worse = p_above(-worse, 0.0, dof)
    low, high = np.quantile(draws, [_OUTSIDE, 1 - _OUTSIDE])
    shown = np.quantile(worse, _OUTSIDE) > 0
    below = np.sort(-draws)[None]
    level = float(target.levels[place])
    return Regret(
        value=max(float(np.expm1(level - target.honest_level)), 0.0),
        low=float(np.expm1(low)) if shown else 0.0,
        high=float(np.expm1(high)),
        bound=float(np.expm1(largest_difference(differences))),
        at_gamma=level,
        p_within=tuple(largest_p(differences, bound, dof) for bound in bounds),
        p_beyond=tuple(
            max(float(p_above_rows(below, -bound, dof)[0]), not_worse) for bound in bounds
        ),
    )


def find_place(target: CellCurve, gamma: float) -> tuple[int | None, bool]:
    """The place of a γ in a cell, None outside the measured range, and whether training diverges.

    Args:
        target: the cell.
        gamma: γ ≥ 0.
    """
    grid, runs = target.grid, target.runs
    if gamma == 0:
        return (len(grid), False) if target.fit.sees_control else (None, False)
    above, below = runs.above or np.inf, runs.below or 0.0
    if gamma >= above * (1 - 1e-9) or gamma <= below * (1 + 1e-9):
        return None, True
    x = float(np.log10(gamma))
    half_step = (grid[-1] - grid[0]) / max(len(grid) - 1, 1) / 2 + 1e-9
    if not grid[0] - half_step <= x <= grid[-1] + half_step:
        return None, False
    return int(np.abs(grid - x).argmin()), False
