"""What it costs to use the γ of one cell in another.

Regret of using s's γ in t = exp(f_t(γ*_s) − f_t(γ*_t)) − 1, f = expected log test error.

γ*_s is uncertain, so it is drawn from the posterior of s; f_t is drawn from the posterior of t, and
so is the regret: the draw of f_t at that γ*_s above its lowest point. Such draws are never below 0,
also where there is no regret at all. So the lower side has a second condition, which luck in t's
own choice cannot meet: that γ*_s is shown to be worse than the γ that t chose, at the honest
(cross-fitted) level of that choice. Where it is not, the interval begins at 0; the p-value of
"it does not transfer" is the larger of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.fit.cells import FEWEST_GAMMAS
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import LEVEL, CellCurve
from lkm_tune.transfer.fit.small_p import upper_tails

_TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Regret:
    """Regret of one γ (of a source cell or given) in a target cell, as fractions of the error.

    Attributes:
        value: cross-fitted estimate, at least 0; inf where the target diverges.
        low: lower end of the 95 % interval.
        high: upper end; inf where the target never measured such a γ.
        at_source: log error in the target relative to its control, cross-fitted.
        p_within: one-sided p-value of "regret is above the margin" (small: it transfers).
        p_beyond: one-sided p-value of "regret is within the margin" (small: it does not).
    """

    value: float
    low: float
    high: float
    at_source: float
    p_within: float
    p_beyond: float


UNKNOWN = Regret(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
"""With one seed or hardly any γ in either cell nothing can be said."""


def transfer_regrets(
    sources: Sequence[CellCurve], target: CellCurve, margin: float
) -> list[Regret]:
    """Regret of each source's best γ in the target.

    A seed that both cells share is held out of both choices at once.
    """
    known = [source for source in sources if _says_enough(source) and _says_enough(target)]
    if not known:
        return [UNKNOWN] * len(sources)
    choices = np.array([[s.grid[s.choices.get(k, s.best)] for k in target.choices] for s in known])
    drawn = np.array([source.best_draws for source in known])
    found = iter(_regrets(target, choices, drawn, margin))
    return [next(found) if _says_enough(source) else UNKNOWN for source in sources]


def fixed_regret(gamma: float, target: CellCurve, margin: float) -> Regret:
    """Regret of a given γ > 0 in the target."""
    if target.bent_draws is None or not _says_enough(target):
        return UNKNOWN
    x = float(np.log10(gamma))
    choices = np.full((1, len(target.choices)), x)
    (found,) = _regrets(target, choices, np.full((1, len(target.bent_draws)), x), margin)
    return found


def _says_enough(cell: CellCurve) -> bool:
    return cell.bent_draws is not None and len(cell.runs.gammas) >= FEWEST_GAMMAS


def _regrets(target: CellCurve, choices: Array, drawn: Array, margin: float) -> list[Regret]:
    """Regrets in the target of N sources with K choices and D draws of log10 γ each.

    Args:
        target: a cell with draws.
        choices: what each source chose without each seed of the target, shape [N, K].
        drawn: draws of the best of each source, shape [N, D].
        margin: difference of the error, as a fraction, that does not matter.
    """
    if target.draws is None:
        return [UNKNOWN] * len(drawn)
    at_source = target.draws[np.arange(drawn.shape[1]), _nearest(target.grid, drawn)]
    draws = low = at_source - target.lowest_draws
    worse = at_source - target.honest_draws
    above, outside = _outside(target, drawn)
    if outside.any() or above.any():
        draws = np.where(above | outside, np.inf, draws)
        low, worse = (
            np.where(above, np.inf, np.where(outside, 0.0, values)) for values in (low, worse)
        )
    same = draws is low
    draws = np.sort(draws, axis=1)
    low, worse = draws if same else np.sort(low, axis=1), np.sort(worse, axis=1)
    bound, dof = float(np.log1p(margin)), target.fit.dof
    shown = _quantiles(worse, _TAIL) > 0
    level = _cross_fitted(target, choices)
    # Sorted the other way round and negated, the lower tail is the upper one.
    beyond = upper_tails(-low[:, ::-1], -bound, dof)
    columns = (
        np.maximum(np.expm1(level - target.honest_level), 0.0),
        np.where(shown, np.expm1(_quantiles(low, _TAIL)), 0.0),
        np.expm1(_quantiles(draws, 1 - _TAIL)),
        level,
        upper_tails(draws, bound, dof),
        np.maximum(beyond, upper_tails(-worse[:, ::-1], 0.0, dof)),
    )
    return [Regret(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def _cross_fitted(target: CellCurve, choices: Array) -> Array:
    """Mean over seeds k of seed k's curve at the γ that other runs chose, shape [N]."""
    above, outside = _outside(target, choices)
    held_out = np.array([target.held_out[k] for k in target.choices])
    levels = held_out[np.arange(choices.shape[1]), _nearest(target.grid, choices)]
    level = target.bend.unbend(levels.mean(axis=1))
    level = np.where(outside.mean(axis=1) >= 0.5, np.nan, level)
    return np.where(above.mean(axis=1) >= 0.5, np.inf, level)


def _outside(target: CellCurve, x: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which log10 γ lie where the target diverges, and which lie outside its measured range."""
    grid, runs = target.grid, target.runs
    half_step = (grid[-1] - grid[0]) / max(len(grid) - 1, 1) / 2 + 1e-9
    diverges = np.zeros(x.shape, dtype=bool)
    if grid[0] <= x.min() and x.max() <= grid[-1]:
        # Diverging γ lie beyond the grid. With equal grids, so with most pairs, that is all.
        return diverges, diverges
    outside = (x < grid[0] - half_step) | (x > grid[-1] + half_step)
    if runs.above is not None:
        diverges |= x >= np.log10(runs.above) - 1e-9
    if runs.below is not None:
        diverges |= x <= np.log10(runs.below) + 1e-9
    return diverges, outside


def _nearest(grid: Array, x: Array) -> NDArray[np.int64]:
    if len(grid) == 1:
        return np.zeros(x.shape, dtype=np.int64)
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    place = np.subtract(x, grid[0])
    place /= step
    np.rint(place, out=place)
    return np.asarray(np.clip(place, 0, len(grid) - 1), dtype=np.int64)


def _quantiles(draws: Array, level: float) -> Array:
    """A quantile of each increasing row that is one of its draws, so that inf stays inf."""
    place = level * (draws.shape[1] - 1)
    return np.asarray(draws[:, int(np.ceil(place) if level > 0.5 else np.floor(place))])
