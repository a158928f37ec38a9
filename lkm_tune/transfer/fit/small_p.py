"""Small p-values from a limited number of draws."""

from __future__ import annotations

import numpy as np

from lkm_tune.transfer.fit.noise import Array

_UPPER_SHARE = 0.1
"""The share of the draws for the fit of the Pareto distribution."""

_ENOUGH = 100
"""With this number of draws beyond the bound, the p-value is their share."""


def p_above(draws: Array, bound: float, dof: float) -> float:
    """One-sided p-value of "the quantity is above `bound`" from its draws, shape [D]."""
    return float(p_above_rows(largest_last(draws[None]), bound, dof)[0])


def largest_last(draws: Array) -> Array:
    """Each row, partitioned: its largest tenth is last, after the largest draw below that tenth."""
    size = _upper(draws.shape[1])
    # A full sort of ten thousand pairs takes ten times as long.
    return np.partition(draws, draws.shape[1] - size - 1, axis=1) if size else draws


def upper_quantile(draws: Array, level: float) -> Array:
    """A quantile of each row of `largest_last` draws, for levels from 0.9; one of the draws."""
    count = draws.shape[1]
    size = _upper(count)
    highest = np.sort(draws[:, count - size - 1 :] if size else draws, axis=1)
    return np.asarray(highest[:, int(np.ceil(level * (count - 1))) - count])


def p_above_rows(draws: Array, bound: float, dof: float) -> Array:
    """One-sided p-values of "the quantity is above `bound`", shape [N].

    Hundreds of pairs need p-values far below one over the number of draws. A generalised Pareto
    distribution extrapolates the tail of the draws (T. A. Knijnenburg et al., Bioinformatics 25,
    2009, i161, eq. 1). Its shape is that of the draws' Student t, 1 / dof, so that only the scale
    is estimated; short tails are overestimated.

    An infinite draw is certain (a γ at which training diverges): the p-value is the share of the
    draws at +inf, plus the share of finite draws times their p-value. So it is 0 if all draws are
    −inf.

    Args:
        draws: draws of N quantities, from `largest_last`, shape [N, D].
        bound: the bound of the comparison.
        dof: degrees of freedom of the draws.
    """
    if np.isfinite(draws).all():
        return _finite_rows(draws, bound, dof)
    return np.array([_with_infinite(row, bound, dof) for row in draws])


def _upper(count: int) -> int:
    return int(_UPPER_SHARE * count)


def _with_infinite(row: Array, bound: float, dof: float) -> float:
    finite = row[np.isfinite(row)]
    surely = np.count_nonzero(row == np.inf) / len(row)
    if not len(finite):
        return float(surely)
    estimated = float(_finite_rows(largest_last(finite[None]), bound, dof)[0])
    return float(surely + len(finite) / len(row) * estimated)


def _finite_rows(draws: Array, bound: float, dof: float) -> Array:
    beyond, count = np.count_nonzero(draws > bound, axis=1), draws.shape[1]
    counted = (1 + beyond) / (1 + count)
    size = _upper(count)
    if size < 1:
        return np.asarray(counted)
    threshold = draws[:, -size - 1]
    shape = 1 / max(dof, 2.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = draws[:, -size:].mean(axis=1) - threshold
        scale = mean * (1 - shape)
        fitted = size / count * (1 + shape * (bound - threshold) / scale) ** (-1 / shape)
    known = (beyond < _ENOUGH) & (bound >= threshold) & (mean > 0) & np.isfinite(mean)
    return np.asarray(np.where(known, fitted, counted))
