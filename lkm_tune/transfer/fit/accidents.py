"""Runs that went wrong by accident, which would widen every interval of their cell.

One run in twenty that ends 30 % worse, as an unlucky initial weight may have it, makes the variance
of a cell many times what the other runs have. A run that noise would hardly put so far (`RARE`)
from what seed and γ have in common is left out, and the report says so. Seed and γ effects are
fitted robustly (P. J. Huber, Robust Statistics, 1981, section 7.8: least squares, residuals drawn
in to `_CLIP` standard deviations, which are those of the median residual; from J. W. Tukey's median
polish, Exploratory Data Analysis, 1977, chapter 11). Where more than a
quarter of the runs of one γ lie so far off, γ does it, and they stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lkm_tune.transfer.fit.noise import Array, additive_basis

RARE = 1 / 2000
"""A run is an accident where noise alone has so few so far off: 3.5 standard deviations, and more
where few runs hardly know their own spread (Student's t)."""

_CLIP = 1.5
_AN_EFFECT = 0.25
"""Where more than this share of the runs of one γ, and more than one, are far off, γ does it."""

_FEWEST = 8
"""Fewer degrees of freedom do not tell an accident from noise."""

_NORMAL = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""

_SMALLEST = 1e-6
"""Runs that repeat exactly still leave the rounding of float32 training in log error."""

_SWEEPS = 3
_STEPS = 50
_SETTLED = 1e-3


def accidents(log_error: Array) -> NDArray[np.bool_]:
    """Which runs of one cell are accidents, shape [S, 1 + J].

    Args:
        log_error: shape [S, 1 + J], NaN where no run is.
    """
    ran = ~np.isnan(log_error)
    basis = additive_basis(ran)
    far, dof = np.zeros(ran.shape, dtype=bool), int(ran.sum()) - basis.shape[1]
    if dof < _FEWEST:
        return far
    y = log_error[ran]
    near = y - _median_residuals(log_error)[ran]
    share, reach = np.sqrt(len(y) / dof), -stdtrit(dof, RARE / 2)
    for _ in range(_STEPS):
        fitted = basis @ (basis.T @ near)
        spread = max(_NORMAL * share * float(np.median(np.abs(y - fitted))), _SMALLEST)
        before = near
        near = fitted + np.clip(y - fitted, -_CLIP * spread, _CLIP * spread)
        if np.abs(near - before).max() <= _SETTLED * spread:
            break
    far[ran] = np.abs(y - fitted) > reach * spread
    count = far.sum(axis=0)
    return np.asarray(far & ~((count > 1) & (count > _AN_EFFECT * ran.sum(axis=0))))


def _median_residuals(log_error: Array) -> Array:
    """What medians over seeds and over γ leave (median polish): a start that no accident pulls."""
    left = log_error.copy()
    measured = ~np.isnan(log_error).all(axis=0)
    for _ in range(_SWEEPS):
        left -= np.nanmedian(left, axis=1, keepdims=True)
        left[:, measured] -= np.nanmedian(left[:, measured], axis=0)
    return left
