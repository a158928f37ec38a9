"""The γ from which on mixing is shown to cost more than the margin, against no mixing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lkm_tune.transfer.fit.gain import OUTSIDE, UNKNOWN, Interval
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import find_place, says_enough
from lkm_tune.transfer.fit.rivals import LEVEL
from lkm_tune.transfer.fit.small_p import p_above
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS


class Harm(NamedTuple):
    """The harm of strong mixing in one cell.

    Attributes:
        start: the lowest measured γ from which on every measured γ is shown to cost more than the
            margin; NaN if there is none.
        cost: rise of the error from γ = 0 to the largest measured γ, as a fraction.
    """

    start: float
    cost: Interval


def harm_of_strong_mixing(cell: CellCurve, margin: float) -> Harm:
    """Test the measured γ from the largest down, until one is not shown to cost more.

    A fixed order needs no correction for the number of γ: the first true null hypothesis stops it
    unless it is wrongly rejected (P. H. Westfall & A. Krishen, J. Stat. Plan. Inference 99, 2001,
    sec. 2).

    Args:
        cell: the fitted cell.
        margin: difference of the error, as a fraction, that does not matter.
    """
    draws = cell.level_draws
    if draws is None or not says_enough(cell) or not cell.fit.sees_control:
        return Harm(np.nan, UNKNOWN)
    places = [find_place(cell, gamma)[0] for gamma in cell.runs.gammas.tolist()]
    largest = draws[:, places[-1]]
    low, high = np.expm1(np.quantile(largest, [OUTSIDE, 1 - OUTSIDE])).tolist()
    cost = Interval(float(np.expm1(cell.levels[places[-1]])), low, high)
    start, bound = np.nan, float(np.log1p(margin))
    if cell.seeds < FEWEST_SEEDS:
        return Harm(start, cost)
    for gamma, place in zip(cell.runs.gammas[::-1].tolist(), places[::-1], strict=True):
        if p_above(-draws[:, place], -bound, cell.fit.dof) > 1 - LEVEL:
            break
        start = gamma
    return Harm(start, cost)
