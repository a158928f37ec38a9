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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.noise import Array
from lkm_tune.transfer.optimum import LEVEL, CellCurve
from lkm_tune.transfer.runs import FEWEST_GAMMAS
from lkm_tune.transfer.tail import upper_tail

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


def transfer_regret(source: CellCurve, target: CellCurve, margin: float) -> Regret:
    """Regret of the source's best γ in the target.

    A seed that both cells share is held out of both choices at once.
    """
    few = min(len(source.runs.gammas), len(target.runs.gammas)) < FEWEST_GAMMAS
    if few or source.bent_draws is None or target.bent_draws is None:
        return UNKNOWN
    places = source.grid.tolist()
    choices = {k: places[source.choices.get(k, source.best)] for k in target.choices}
    return _regret(target, choices, source.best_draws, margin)


def fixed_regret(gamma: float, target: CellCurve, margin: float) -> Regret:
    """Regret of a given γ > 0 in the target."""
    if target.bent_draws is None or len(target.runs.gammas) < FEWEST_GAMMAS:
        return UNKNOWN
    x = float(np.log10(gamma))
    drawn = np.full(len(target.bent_draws), x)
    return _regret(target, dict.fromkeys(target.choices, x), drawn, margin)


def _regret(
    target: CellCurve, choices: dict[tuple[str, int], float], drawn: Array, margin: float
) -> Regret:
    if target.draws is None:
        return UNKNOWN
    at_source = target.draws[np.arange(len(drawn)), _nearest(target.grid, drawn)]
    draws = low = at_source - target.lowest_draws
    worse = at_source - target.honest_draws
    above, outside = _outside(target, drawn)
    if outside.any() or above.any():
        draws = np.where(above | outside, np.inf, draws)
        low, worse = (
            np.where(above, np.inf, np.where(outside, 0.0, values)) for values in (low, worse)
        )
    level = _cross_fitted(target, choices)
    bound, dof = float(np.log1p(margin)), target.fit.dof
    shown = _quantile(worse, _TAIL) > 0
    return Regret(
        value=max(float(np.expm1(level - target.honest_level)), 0.0),
        low=float(np.expm1(_quantile(low, _TAIL))) if shown else 0.0,
        high=float(np.expm1(_quantile(draws, 1 - _TAIL))),
        at_source=level,
        p_within=upper_tail(draws, bound, dof),
        p_beyond=max(upper_tail(-low, -bound, dof), upper_tail(-worse, 0.0, dof)),
    )


def _cross_fitted(target: CellCurve, choices: dict[tuple[str, int], float]) -> float:
    """Mean over seeds k of seed k's curve at the γ that other runs chose."""
    places = np.array(list(choices.values()))
    above, outside = _outside(target, places)
    if above.mean() >= 0.5:
        return np.inf
    if outside.mean() >= 0.5:
        return np.nan
    index = _nearest(target.grid, places)
    return target.cross_fitted(dict(zip(choices, index.tolist(), strict=True)))


def _outside(target: CellCurve, x: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which log10 γ lie where the target diverges, and which lie outside its measured range."""
    grid, runs = target.grid, target.runs
    half_step = (grid[-1] - grid[0]) / max(len(grid) - 1, 1) / 2 + 1e-9
    outside = (x < grid[0] - half_step) | (x > grid[-1] + half_step)
    diverges = np.zeros(len(x), dtype=bool)
    if runs.above is not None:
        diverges |= x >= np.log10(runs.above) - 1e-9
    if runs.below is not None:
        diverges |= x <= np.log10(runs.below) + 1e-9
    return diverges, outside


def _nearest(grid: Array, x: Array) -> NDArray[np.int64]:
    if len(grid) == 1:
        return np.zeros(len(x), dtype=np.int64)
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    return np.asarray(np.clip(np.rint((x - grid[0]) / step), 0, len(grid) - 1), dtype=np.int64)


def _quantile(draws: Array, level: float) -> float:
    """A quantile that is always one of the draws, so that inf among them stays inf."""
    place = level * (len(draws) - 1)
    index = int(np.ceil(place) if level > 0.5 else np.floor(place))
    return float(np.partition(draws, index)[index])
