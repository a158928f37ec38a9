"""Differences between one γ and its rivals: which rivals matter, and the largest p-value of them.

See `fit.regret` for the tests that are made of them.
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
"""Neighbours on the fine grid are so alike that every other one is enough."""

_MOST = 6
"""So many rivals can have the largest p-value, or the largest upper quantile."""

_FOR_CHOICE = 1000
"""From so many draws rivals are chosen."""

_TALLEST = 1.0
"""Draws further above the lowest point in log error than this are alike to the choice of rivals."""


class Rivals:
    """The differences between the P places of one cell, drawn from its posterior.

    The last place may be γ = 0; the G before it are the fine grid.
    """

    def __init__(self, draws: Array, grid: int) -> None:
        """Prepare the choice of rivals.

        Args:
            draws: of the log error at every place, shape [D, P].
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
        """Draws of f(place) − f(γ′) for the γ′ that matter, `small_p.largest_last`.

        Args:
            place: of the γ that is judged.
            thresholds: in log error, may be none; for each the rivals with the largest p-value
                are chosen, and always those with the largest upper quantiles.
            level: other draws of f(place), shape [D].

        Returns:
            Shape [rivals, D]; no rows where there is no other place.
        """
        others = self._others[self._others != place]
        variance = self._covariance.diagonal()
        spread = variance[place] + variance[others] - 2 * self._covariance[place, others]
        spread = np.sqrt(np.maximum(spread, 1e-24))
        excess = self._mean[place] - self._mean[others]
        # The largest p-value at a threshold, and the largest upper quantile, have other rivals.
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
