"""Do two cells agree on which γ are better? Kendall's τ of their whole curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.noise import Array
from lkm_tune.transfer.optimum import LEVEL, CellCurve

FEWEST_POINTS = 4
"""Below this many common γ an order says little, so none is given."""

_DRAWS = 1000


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ of two curves on their common γ with its 95 % interval."""

    tau: float
    low: float
    high: float
    points: int


def curve_agreement(first: CellCurve, second: CellCurve) -> Agreement:
    """Kendall's τ (a) between the curves of two cells at the γ > 0 that both measured.

    The interval is that of the posterior draws of both curves. Curves that are flat have no order
    to agree on, and show it by a wide interval around 0.
    """
    common = np.intersect1d(first.runs.gammas, second.runs.gammas)
    if len(common) < FEWEST_POINTS:
        return Agreement(np.nan, np.nan, np.nan, len(common))
    tau = float(_tau(_at(first, common, first.mean), _at(second, common, second.mean)))
    if first.draws is None or second.draws is None:
        return Agreement(tau, np.nan, np.nan, len(common))
    draws = _tau(
        _at(first, common, first.draws[:_DRAWS]), _at(second, common, second.draws[:_DRAWS])
    )
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(tau, float(low), float(high), len(common))


def _at(cell: CellCurve, gammas: Array, curves: Array) -> Array:
    places = np.abs(cell.grid[None, :] - np.log10(gammas)[:, None]).argmin(axis=1)
    return np.asarray(curves[..., places])


def _tau(first: Array, second: Array) -> Array:
    """Mean over pairs of γ of whether both curves order them alike, for each row of curves."""
    i, j = np.triu_indices(first.shape[-1], k=1)
    agree = np.sign(first[..., i] - first[..., j]) * np.sign(second[..., i] - second[..., j])
    return np.asarray(agree.mean(axis=-1))
