"""Agreement of two cells on the order of γ: Kendall's τ of their whole curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.rivals import LEVEL

FEWEST_POINTS = 4
"""Fewest common γ for τ; with fewer, an order means little."""

_DRAWS = 1000


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ of two curves on their common γ with its 95 % interval."""

    tau: float
    low: float
    high: float
    points: int


class Orders:
    """The order of γ by the curve of one cell, as the signs of all differences."""

    def __init__(self, cell: CellCurve) -> None:
        """Computes nothing.

        Args:
            cell: the fitted cell.
        """
        self.cell = cell
        self._signs: dict[tuple[float, ...], NDArray[np.int8]] = {}

    def signs(self, gammas: Array) -> NDArray[np.int8]:
        """Sign of each difference between two γ: of the fitted curve, then of its draws.

        Returns:
            Shape [1 + draws, pairs of γ]; [1, pairs of γ] with one seed.
        """
        key = tuple(gammas.tolist())
        if key not in self._signs:
            cell = self.cell
            places = np.abs(cell.grid[None, :] - np.log10(gammas)[:, None]).argmin(axis=1)
            curves = cell.mean[None, places]
            if cell.draws is not None:
                curves = np.concatenate([curves, cell.draws[:_DRAWS, places]])
            i, j = np.triu_indices(len(gammas), k=1)
            self._signs[key] = np.sign(curves[:, i] - curves[:, j]).astype(np.int8)
        return self._signs[key]


def curve_agreement(first: Orders, second: Orders) -> Agreement:
    """Kendall's τ (a) between the curves of two cells at their common measured γ > 0.

    The interval comes from the posterior draws of both curves. Flat curves have no order, so their
    interval around 0 is wide.
    """
    gammas = first.cell.runs.gammas, second.cell.runs.gammas
    common = np.intersect1d(*gammas, assume_unique=True)
    if len(common) < FEWEST_POINTS:
        return Agreement(np.nan, np.nan, np.nan, len(common))
    one, other = first.signs(common), second.signs(common)
    tau = float(np.mean(one[0] * other[0]))
    if len(one) == 1 or len(other) == 1:
        return Agreement(tau, np.nan, np.nan, len(common))
    draws = np.sort((one[1:] * other[1:]).sum(axis=1, dtype=np.int32)) / one.shape[1]
    low, high = (draws[round(q * (len(draws) - 1))] for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Agreement(tau, float(low), float(high), len(common))
