"""The regret of a given γ in a cell, and the tests for verdicts.

Regret of γ in t = exp(f_t(γ) − min f_t) − 1, f = expected log test error, the minimum over all γ
and γ = 0. The γ is a fixed number (recommended by the report of a source cell), so only f_t is
uncertain and is drawn from its posterior.

- *Within the margin m.* The null hypothesis, regret above m, is the union over all rivals γ′ of
  f_t(γ) − f_t(γ′) > ln(1 + m). So its p-value is the largest of P(f_t(γ) − f_t(γ′) > ln(1 + m))
  over the rivals, without correction for their number (intersection–union test: R. L. Berger,
  Technometrics 24, 1982, theorem 1).
- *Gain within the margin.* The same for γ = 0: the largest of P(f_t(0) − f_t(γ′) > −ln(1 − m)).
- *Beyond the margin.* Draws of the regret are never below 0, even if the true regret is 0. So
P(regret ≤ m) needs a second condition, which a lucky choice of t cannot meet: γ is shown to be
worse than the place that t chose, at the cross-fitted level of that choice. The p-value is the
larger of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.cell_notes import FEWEST_GAMMAS
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.rivals import LEVEL, bound_of
from lkm_tune.transfer.fit.small_p import Drawn

_OUTSIDE = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Regret:
    """Regret of one γ in a target cell, as fractions of the error; NaN if unknown.

    Attributes:
        value: estimate, at least 0; inf if the target diverges.
        low: lower end of the 95 % interval.
        high: upper end; inf if the γ is outside the target's measured range.
        bound: upper bound of the regret, by one test at 5 %.
        at_gamma: log error in the target at the γ, relative to its control.
        p_within: p-value of "the regret is above the margin", one for each margin (small: the γ
            works).
        p_beyond: p-value of "the regret is within the margin", one for each margin (small: the γ
            does not work).
    """

    value: float
    low: float
    high: float
    bound: float
    at_gamma: float
    p_within: tuple[float, ...]
    p_beyond: tuple[float, ...]


def unknown(margins: Sequence[float]) -> Regret:
    """The regret in a cell with one seed or too few γ: unknown."""
    nothing = (np.nan,) * len(margins)
    return Regret(np.nan, np.nan, np.nan, np.nan, np.nan, nothing, nothing)


def says_enough(cell: CellCurve) -> bool:
    """Whether a cell has enough seeds and γ for a curve."""
    return cell.compressed_draws is not None and len(cell.runs.gammas) >= FEWEST_GAMMAS


def regrets(
    target: CellCurve, gammas: Sequence[float], margins: Sequence[float]
) -> dict[float, Regret]:
    """Regret of each γ (0 allowed) in the target."""
    if not says_enough(target):
        return {gamma: unknown(margins) for gamma in gammas}
    found = {gamma: find_place(target, gamma) for gamma in gammas}
    # The sources of a large study recommend few places, and each is judged once.
    places = sorted({place for place, _ in found.values() if place is not None})
    at_place = dict(zip(places, _at_places(target, places, margins), strict=True))
    one, zero = (1.0,) * len(margins), (0.0,) * len(margins)
    diverges = Regret(np.inf, np.inf, np.inf, np.inf, np.inf, one, zero)
    unmeasured = Regret(np.nan, 0.0, np.inf, np.inf, np.nan, one, one)
    return {
        gamma: diverges if lost else unmeasured if place is None else at_place[place]
        for gamma, (place, lost) in found.items()
    }


def _at_places(
    target: CellCurve, places: Sequence[int], margins: Sequence[float]
) -> Iterator[Regret]:
    """Regret of each place of a target with draws."""
    if target.level_draws is None or not places:
        return
    bounds, dof = [float(np.log1p(margin)) for margin in margins], target.fit.dof
    at = target.level_draws.T[list(places)]
    draws, worse = at - target.lowest_draws, at - target.honest_draws
    low, high = np.quantile(draws, [_OUTSIDE, 1 - _OUTSIDE], axis=1)
    shown = np.array([np.count_nonzero(row) for row in worse <= 0]) < _OUTSIDE * draws.shape[1]
    below, not_worse = Drawn(-draws, dof), Drawn(-worse, dof).p_above(0.0)
    beyond = [np.maximum(below.p_above(-bound), not_worse) for bound in bounds]
    for row, place in enumerate(places):
        differences = target.rivals.of(place, bounds)
        level = float(target.levels[place])
        yield Regret(
            value=max(float(np.expm1(level - target.honest_level)), 0.0),
            low=float(np.expm1(low[row])) if shown[row] else 0.0,
            high=float(np.expm1(high[row])),
            bound=float(np.expm1(bound_of(differences))),
            at_gamma=level,
            p_within=tuple(differences.largest_p(bound) for bound in bounds),
            p_beyond=tuple(float(p[row]) for p in beyond),
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
