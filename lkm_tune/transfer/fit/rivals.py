"""Differences between one γ and its rivals, and the largest p-value over the rivals.

See `fit.regret` for the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.small_p import largest_last, p_above_rows, upper_quantile

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

    def __init__(self, draws: Array, grid: int) -> None:
        """Prepare the choice of rivals.

        Args:
            draws: draws of the log error at every place, shape [D, P].
            grid: G.
        """
        self._draws = draws
        few = draws[:_FOR_CHOICE]
        low = np.minimum(few, few.min(axis=1, keepdims=True) + _TALLEST)
        self._mean = low.mean(axis=0)
        centred = low - self._mean
        self._covariance = centred.T @ centred / len(centred)
        # γ = 0 is always a rival.
        self._others = np.union1d(np.arange(0, grid, _STEP), np.arange(grid, draws.shape[1]))

    def differences(
        self, place: int, thresholds: Sequence[float], level: Array | None = None
    ) -> Array:
        """Draws of f(place) − f(γ′) for the relevant γ′, through `small_p.largest_last`.

        Args:
            place: place of the judged γ.
            thresholds: thresholds in log error. The rivals with the largest p-values at each
                threshold and those with the largest upper quantiles are relevant.
            level: other draws of f(place), shape [D].

        Returns:
            Shape [rivals, D]; no rows if there is no other place.
        """
        others = self._others[self._others != place]
        variance = self._covariance.diagonal()
        spread = variance[place] + variance[others] - 2 * self._covariance[place, others]
        spread = np.sqrt(np.maximum(spread, 1e-24))
        excess = self._mean[place] - self._mean[others]
        # Different rivals may have the largest p-value and the largest upper quantile.
        orders = [(excess - threshold) / spread for threshold in thresholds]
        orders.append(excess + ndtri(LEVEL) * spread)
        chosen = {int(i) for by in orders for i in others[np.argsort(-by, kind="stable")[:_MOST]]}
        at = self._draws[:, place] if level is None else level
        return largest_last(at - self._draws[:, sorted(chosen)].T)


def largest_p(differences: Array, threshold: float, dof: float) -> float:
    """The largest over the rivals of P(f(place) − f(γ′) > threshold); 0 without a rival."""
    return float(p_above_rows(differences, threshold, dof).max(initial=0.0))


def largest_difference(differences: Array) -> float:
    """The smallest threshold in log error whose `largest_p` is at most 5 %, at least 0."""
    return float(upper_quantile(differences, LEVEL).max(initial=0.0))
