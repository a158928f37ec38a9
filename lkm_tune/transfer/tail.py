"""Small p-values from a limited number of draws."""

from __future__ import annotations

import numpy as np

from lkm_tune.transfer.noise import Array

_IN_TAIL = 0.1
"""The share of the draws that the tail is fitted to."""

_ENOUGH = 100
"""With so many draws beyond the bound they are simply counted."""


def upper_tail(draws: Array, bound: float, dof: float) -> float:
    """One-sided p-value of "the quantity is above `bound`".

    Hundreds of pairs ask for p-values far below one over the number of draws, so the tail is
    extrapolated by a generalised Pareto distribution (T. A. Knijnenburg et al., Bioinformatics 25,
    2009, i161, eq. 1). Its shape is not fitted but that of the Student t of which the draws are,
    1 / dof, so that only the scale is left to estimate; short tails are taken to be longer than
    they are.

    Args:
        draws: of the quantity, shape [D]; inf is above every bound.
        bound: what it is held against.
        dof: degrees of freedom of the draws.
    """
    beyond, count = int(np.count_nonzero(draws > bound)), len(draws)
    counted = (1 + beyond) / (1 + count)
    size = int(_IN_TAIL * count)
    if beyond >= _ENOUGH or size < 1:
        return counted
    tail = np.partition(draws, count - size - 1)[count - size - 1 :]
    threshold = float(tail[0])
    mean = float(tail[1:].mean()) - threshold if np.isfinite(threshold) else np.inf
    if not 0 < mean < np.inf:
        return counted
    shape = 1 / max(dof, 2.0)
    scale = mean * (1 - shape)
    return float(size / count * (1 + shape * (bound - threshold) / scale) ** (-1 / shape))
