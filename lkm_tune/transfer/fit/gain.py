"""The gain of mixing in one cell against γ = 0, as a fraction of the error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import says_enough
from lkm_tune.transfer.fit.rivals import LEVEL, bound_of

OUTSIDE = (1 - LEVEL) / 2


class Interval(NamedTuple):
    """A figure with its 95 % interval, as fractions of the error; NaN where unknown."""

    value: float
    low: float
    high: float


UNKNOWN = Interval(np.nan, np.nan, np.nan)


def mean_interval(values: ArrayLike, outside: float) -> Interval:
    """The mean with Student's t interval that misses the true mean in `outside` of all samples.

    One value has no interval. NaN among the values gives NaN.
    """
    values = np.asarray(values, float)
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return Interval(mean, np.nan, np.nan)
    reach = -float(stdtrit(count - 1, outside / 2) * values.std(ddof=1)) / count**0.5
    return Interval(mean, mean - reach, mean + reach)


def gain_at_recommended(cell: CellCurve) -> Interval:
    """Gain = 1 − exp(f(γ) − f(0)) of the recommended γ, at the same settings.

    The lower end is cross-fitted, since the recommended γ looks too good on the runs that chose it.
    The gain of γ = 0 is 0.
    """
    if cell.level_draws is None or not cell.fit.sees_control:
        return UNKNOWN
    if cell.recommended == len(cell.grid):
        return Interval(0.0, 0.0, 0.0)
    draws = cell.level_draws[:, cell.recommended]
    low, high = np.quantile(draws, [OUTSIDE, 1 - OUTSIDE])
    honest = np.quantile(cell.honest_draws, 1 - OUTSIDE)
    return Interval(
        value=-float(np.expm1(cell.levels[cell.recommended])),
        low=-float(np.expm1(max(high, honest))),
        high=-float(np.expm1(low)),
    )


def largest_gain(cell: CellCurve) -> float:
    """The largest gain of any γ that is not excluded, by one test at 5 %; at least 0."""
    if not says_enough(cell) or not cell.fit.sees_control:
        return np.nan
    return -float(np.expm1(-bound_of(cell.rivals.of(len(cell.grid)))))


def bound_of_recommended(cell: CellCurve) -> float:
    """The largest distance of the recommended γ from the best, by one test at 5 %.

    The runs that chose a γ > 0 among many make its error look too low, so the cross-fitted error
    counts if it is higher. The bound of γ = 0 is that of `largest_gain`.
    """
    if not says_enough(cell):
        return np.nan
    place, rivals = cell.recommended, cell.rivals
    if place == len(cell.grid):
        return float(np.expm1(bound_of(rivals.of(place))))
    honest = rivals.of(place, level=cell.honest_draws)
    return float(np.expm1(max(bound_of(rivals.of(place)), bound_of(honest))))


def gain_on_own_control(cell: CellCurve) -> Interval:
    """Gain of the best γ against γ = 0 at the best settings of the control.

    Other settings mean other weights, so the noise of the curve does not apply: the interval is
    Student's t over the common seeds.
    """
    own = cell.runs.own_control
    shared = [k for k in cell.choices if k in own and cell.fit.sees_control]
    if not shared:
        return UNKNOWN
    row = {seed: i for i, seed in enumerate(cell.runs.seeds)}
    control = cell.runs.usual[[row[k] for k in shared], 0]
    chosen = np.array([cell.held_out[k][cell.choices[k]] for k in shared])
    at_best = control + cell.response_scale.expand(chosen)
    difference = at_best - np.array([own[k] for k in shared])
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return UNKNOWN
    rise = mean_interval(difference, 1 - LEVEL)
    return Interval(*(-np.expm1([rise.value, rise.high, rise.low])).tolist())
