"""Small p-values from a limited number of draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.fit.noise import Array

_UPPER_SHARE = 0.1
"""The share of the draws for the fit of the Pareto distribution."""

_ENOUGH = 100
"""With this number of draws beyond the bound, the p-value is their share."""

_MOST = 3
"""The largest p-value is sought among this many quantities."""


def p_above(draws: Array, bound: float, dof: float) -> float:
    """One-sided p-value of "the quantity is above `bound`" from its draws, shape [D].

    An infinite draw is certain (a γ at which training diverges): the p-value is the share of the
    draws at +inf, plus the share of finite draws times their p-value. So it is 0 if all draws are
    −inf.
    """
    finite = draws[np.isfinite(draws)]
    surely = np.count_nonzero(draws == np.inf) / len(draws)
    if not len(finite):
        return surely
    return surely + len(finite) / len(draws) * Drawn(finite[None], dof).largest_p(bound)


class Drawn:
    """Draws of N quantities, and the p-values of "the quantity is above a bound".

    Hundreds of pairs need p-values far below one over the number of draws. A generalised Pareto
    distribution extrapolates the tail of the draws (T. A. Knijnenburg et al., Bioinformatics 25,
    2009, i161, eq. 1). Its shape, 1 / dof, is the shape of the draws' Student t, so that only the
    scale is estimated; short tails are overestimated.
    """

    def __init__(self, draws: Array, dof: float) -> None:
        """Takes the draws.

        Args:
            draws: finite, shape [N, D].
            dof: degrees of freedom of the draws.
        """
        self.draws = draws
        self._shape = 1 / max(dof, 2.0)
        self._start, self._mean = np.full((2, len(draws)), np.nan)

    def p_above(self, bound: float) -> Array:
        """One-sided p-value of "the quantity is above `bound`", shape [N]."""
        beyond = self._beyond(bound)
        p = (1 + beyond) / (1 + self.draws.shape[1])
        few = np.flatnonzero(beyond < _ENOUGH)
        p[few] = self._extrapolated(few, bound, p[few])
        return np.asarray(p)

    def largest_p(self, bound: float) -> float:
        """The largest of these p-values; 0 without a quantity.

        Tails are fitted for the quantities with the most draws beyond the bound.
        """
        if not len(self.draws):
            return 0.0
        beyond = self._beyond(bound)
        p = (1 + beyond) / (1 + self.draws.shape[1])
        if beyond.max() >= _ENOUGH:
            return float(p.max())
        most = np.argsort(-beyond, kind="stable")[:_MOST]
        return float(self._extrapolated(most, bound, p[most]).max())

    def largest_quantile(self, level: float) -> float:
        """The largest quantile of any quantity (one of its draws), at least 0."""
        count, largest = self.draws.shape[1], 0.0
        place = int(np.ceil(level * (count - 1)))
        for row in self.draws:
            # Counting is ten times as fast as sorting and excludes most rows.
            if np.count_nonzero(row > largest) >= count - place:
                largest = float(np.partition(row, place)[place])
        return largest

    def _beyond(self, bound: float) -> Array:
        # Row by row: numpy counts along an axis many times more slowly.
        return np.array([np.count_nonzero(row) for row in self.draws > bound])

    def _fit_tails(self, rows: NDArray[np.int_]) -> None:
        """The largest draw below the upper tenth, and the mean of that tenth above it."""
        new = rows[np.isnan(self._start[rows])]
        if len(new):
            count = self.draws.shape[1]
            size = int(_UPPER_SHARE * count)
            ordered = np.partition(self.draws[new], count - size - 1, axis=1)
            self._start[new] = ordered[:, count - size - 1]
            self._mean[new] = ordered[:, count - size :].mean(axis=1) - self._start[new]

    def _extrapolated(self, rows: NDArray[np.int_], bound: float, counted: Array) -> Array:
        """p-values of some rows by their tails, `counted` where no tail can be fitted."""
        count, shape = self.draws.shape[1], self._shape
        size = int(_UPPER_SHARE * count)
        if size < 1:
            return counted
        self._fit_tails(rows)
        start, mean = self._start[rows], self._mean[rows]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            scale = mean * (1 - shape)
            fitted = size / count * (1 + shape * (bound - start) / scale) ** (-1 / shape)
        return np.where((bound >= start) & (mean > 0), fitted, counted)
