"""Runs that went wrong by accident, which would widen every interval of their cell.

Unlucky initial weights may end one run in twenty 30 % worse. The variance of the cell is then many
times the variance of its other runs. A run is left out if its distance from the seed and γ effects
is too improbable under noise (`RARE`), and the report names the run. Seed and γ effects are fitted
robustly (P. J. Huber, Robust Statistics, 1981, section 7.8: least squares with residuals clipped at
`_CLIP` standard deviations, estimated from the median residual; the start is J. W. Tukey's median
polish, Exploratory Data Analysis, 1977, chapter 11). If more than a quarter of the runs of one γ
or of one seed are that far off, the γ or the seed is the cause, and the runs stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lkm_tune.transfer.fit.noise import SMALLEST_VARIANCE, Array, additive_basis

RARE = 1 / 2000
"""A run is an accident if noise alone puts only this share of runs as far off: 3.5 standard
deviations, and more if the spread of few runs is uncertain (Student's t)."""

_CLIP = 1.5
_AN_EFFECT = 0.25
"""If more than one run and more than this share of the runs of one γ or seed are far off, it causes
them."""

_FEWEST = 8
"""With fewer degrees of freedom, accidents and noise look alike."""

_NORMAL = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""

_SWEEPS = 3
_STEPS = 50
_SETTLED = 1e-3


def accidents(log_error: Array) -> NDArray[np.bool_]:
    """Which runs of one cell are accidents, shape [S, 1 + J].

    Args:
        log_error: shape [S, 1 + J], NaN without a run.
    """
    ran = ~np.isnan(log_error)
    basis = additive_basis(ran)
    far, dof = np.zeros(ran.shape, dtype=bool), int(ran.sum()) - basis.shape[1]
    if dof < _FEWEST:
        return far
    y = log_error[ran]
    near = y - _median_residuals(log_error)[ran]
    share, reach = np.sqrt(len(y) / dof), -stdtrit(dof, RARE / 2)
    least = SMALLEST_VARIANCE**0.5
    for _ in range(_STEPS):
        fitted = basis @ (basis.T @ near)
        spread = max(_NORMAL * share * float(np.median(np.abs(y - fitted))), least)
        before = near
        near = fitted + np.clip(y - fitted, -_CLIP * spread, _CLIP * spread)
        if np.abs(near - before).max() <= _SETTLED * spread:
            break
    far[ran] = np.abs(y - fitted) > reach * spread
    caused = np.zeros_like(far)
    for axis in (0, 1):
        count = far.sum(axis=axis, keepdims=True)
        caused |= (count > 1) & (count > _AN_EFFECT * ran.sum(axis=axis, keepdims=True))
    return np.asarray(far & ~caused)


def _median_residuals(log_error: Array) -> Array:
    """Residuals of medians over seeds and over γ (median polish): robust to accidents."""
    left = log_error.copy()
    missing = np.isnan(log_error)
    measured = ~missing.all(axis=0)
    # nanmedian takes ten times as long.
    median = np.nanmedian if missing.any() else np.median
    for _ in range(_SWEEPS):
        left -= median(left, axis=1, keepdims=True)
        left[:, measured] -= median(left[:, measured], axis=0)
    return left
