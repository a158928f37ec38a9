"""Differences between one γ and its rivals, and the largest p-value over the rivals.

See `fit.regret` for the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.small_p import Drawn

LEVEL = 0.95
"""Level of every interval and of every bound."""

_STEP = 2
"""Step over the fine grid: its neighbouring points are almost equal."""

_MOST = 6
"""Number of rivals that may have the largest p-value, or the largest upper quantile."""

_FOR_CHOICE = 1000
"""Number of draws for the choice of rivals."""

_TALLEST = 1.0
"""Cap of draws above the lowest log error in the choice of rivals."""


class Rivals:
    """The differences between the P places of one cell, drawn from its posterior.

    The last place may be γ = 0; the G before it are the fine grid.
    """

    def __init__(self, draws: Array, grid: int, dof: float) -> None:
        """Prepare the choice of rivals.

        Args:
            draws: draws of the log error at every place, shape [D, P].
            grid: G.
            dof: degrees of freedom of the draws.
        """
        self._draws = draws
        self._dof = dof
        few = draws[:_FOR_CHOICE]
        low = np.minimum(few, few.min(axis=1, keepdims=True) + _TALLEST)
        self._mean = low.mean(axis=0)
        centred = low - self._mean
        self._covariance = centred.T @ centred / len(centred)
        # γ = 0 is always a rival.
        self._others = np.union1d(np.arange(0, grid, _STEP), np.arange(grid, draws.shape[1]))

    def of(self, place: int, thresholds: Sequence[float] = (), level: Array | None = None) -> Drawn:
        """Draws of f(place) − f(γ′) for the relevant γ′.

        Args:
            place: place of the judged γ.
            thresholds: thresholds in log error. The rivals with the largest p-values at each
                threshold and those with the largest upper quantiles are relevant.
            level: other draws of f(place), shape [D].
        """
        at = self._draws[:, place] if level is None else level
        return Drawn(at - self._draws.T[self._chosen(place, thresholds)], self._dof)

    def _chosen(self, place: int, thresholds: Sequence[float]) -> NDArray[np.int_]:
        """Rivals of a place, by descending upper quantile."""
        others = self._others[self._others != place]
        variance = self._covariance.diagonal()
        spread = variance[place] + variance[others] - 2 * self._covariance[place, others]
        spread = np.sqrt(np.maximum(spread, 1e-24))
        excess = self._mean[place] - self._mean[others]
        # Different rivals may have the largest p-value and the largest upper quantile.
        order = np.argsort(-excess - ndtri(LEVEL) * spread, kind="stable")
        chosen = np.zeros(len(others), dtype=bool)
        chosen[order[:_MOST]] = True
        for threshold in thresholds:
            chosen[np.argsort((threshold - excess) / spread, kind="stable")[:_MOST]] = True
        return np.asarray(others[order[chosen[order]]])


def bound_of(differences: Drawn) -> float:
    """The smallest threshold in log error whose largest p-value is at most 5 %, at least 0."""
    return differences.largest_quantile(LEVEL)
