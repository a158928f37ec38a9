"""Information of each seed on the condition effects, and the common noise variance of runs.

A cell has J values of γ > 0 and the control. Run (seed s, condition j) has the log error

    y[s, 0] = a[s] + e[s, 0]                 (control, γ = 0)
    y[s, j] = a[s] + θ[j] + e[s, j]          (γ_j > 0),   e ~ N(0, σ²) independent

so θ[j] is the log error at γ_j relative to the control. The seed intercepts a[s] have flat priors
and are projected out, which leaves one J × J information matrix per seed. The information of seeds
adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

Array = NDArray[np.float64]

SMALLEST_VARIANCE = 1e-12
"""Smallest noise in log error: the rounding of float32 training."""

_LARGEST_PRIOR_DOF = 30.0
"""Smallest spread of noise levels between cells."""


@dataclass(frozen=True)
class Information:
    """The information of some seeds on θ, without their intercepts.

    Attributes:
        matrix: Λ = Σ_s Z_sᵀ P_s Z_s, shape [J, J], in units of 1/σ².
        vector: b = Σ_s Z_sᵀ P_s y_s, shape [J].
        rss: Σ_s y_sᵀ P_s y_s.
        dof: Σ_s (runs of s − 1).
        sees_control: whether the curve's level relative to the control is known, or only its shape.
    """

    matrix: Array
    vector: Array
    rss: float
    dof: int
    sees_control: bool

    def __add__(self, other: Information) -> Information:
        """The sum of the information of different seeds."""
        return Information(
            self.matrix + other.matrix,
            self.vector + other.vector,
            self.rss + other.rss,
            self.dof + other.dof,
            self.sees_control or other.sees_control,
        )


def seed_information(log_errors: Array, weights: Array | None = None) -> Information:
    """Information of one seed.

    Args:
        log_errors: log error of its runs, shape [1 + J], control first, NaN without a run.
        weights: σ² over the variance of a run at each γ, shape [1 + J]; 1 by default.
    """
    seen = np.flatnonzero(~np.isnan(log_errors))
    size = len(log_errors) - 1
    if len(seen) < 2:
        return Information(np.zeros((size, size)), np.zeros(size), 0.0, 0, False)
    weight = np.ones(len(seen)) if weights is None else weights[seen]
    share, root = weight / weight.sum(), np.sqrt(weight)
    design = np.eye(size + 1)[seen][:, 1:]
    y = root * (log_errors[seen] - share @ log_errors[seen])
    centred = root[:, None] * (design - share @ design)
    return Information(
        centred.T @ centred, centred.T @ y, float(y @ y), len(seen) - 1, bool(seen[0] == 0)
    )


def total(parts: Iterable[Information]) -> Information:
    """The total information of one or more seeds."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


@dataclass(frozen=True)
class NoisePrior:
    """Scaled inverse χ² prior of σ²: `dof` observations' worth of knowledge at `variance`.

    `dof` 0 is the flat prior in log σ.
    """

    variance: float = 1.0
    dof: float = 0.0


@dataclass(frozen=True)
class PureError:
    """The residual noise of seed + condition effects, which no curve can explain."""

    variance: float
    dof: int


def pure_error(information: Information) -> PureError:
    """σ² from the residuals of the additive model (seed + condition), without a curve."""
    rank = int(np.linalg.matrix_rank(information.matrix, hermitian=True))
    theta = np.linalg.pinv(information.matrix, hermitian=True) @ information.vector
    rss = max(information.rss - float(information.vector @ theta), 0.0)
    dof = information.dof - rank
    return PureError(max(rss / dof, SMALLEST_VARIANCE) if dof > 0 else float("nan"), dof)


def shared_noise(errors: Sequence[PureError]) -> NoisePrior:
    """The prior of a cell's noise from all cells (moderated variance).

    It is a moment estimate from the mean and spread of log s². It matters for cells with few seeds.

    Source: G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential
    expression", Stat. Appl. Genet. Mol. Biol. 3 (2004), section 6.2.
    """
    known = [e for e in errors if e.dof > 0]
    if len(known) < 3:
        return NoisePrior()
    half_dof = np.array([e.dof / 2 for e in known])
    values = np.log([e.variance for e in known]) - digamma(half_dof) + np.log(half_dof)
    spread = float(np.var(values, ddof=1) - np.mean(polygamma(1, half_dof)))
    dof = min(2 * _inverse_trigamma(spread), _LARGEST_PRIOR_DOF)
    variance = float(np.exp(values.mean() + digamma(dof / 2) - np.log(dof / 2)))
    return NoisePrior(variance, dof)


def additive_basis(ran: NDArray[np.bool_], weights: Array | None = None) -> Array:
    """Orthonormal basis of seed + γ effects at the existing runs, shape [runs, rank].

    Args:
        ran: shape [S, 1 + J].
        weights: σ² over the variance of a run at each γ, shape [1 + J], 1 by default; the basis
            is for errors times the root of the weights.
    """
    seeds, gammas = np.nonzero(ran)
    root = np.ones(len(seeds)) if weights is None else np.sqrt(weights[gammas])
    design = np.zeros((len(seeds), sum(ran.shape)))
    design[np.arange(len(seeds)), seeds] = root
    design[np.arange(len(seeds)), len(ran) + gammas] = root
    left, size, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, size > 1e-9 * size.max(initial=1.0)])


def _inverse_trigamma(value: float) -> float:
    """X with trigamma(x) = value, by Newton's method (Smyth 2004, appendix)."""
    low, high = 1e-3, 1e6
    if value <= polygamma(1, high):
        return high
    if value >= polygamma(1, low):
        return low
    # Not `scipy.optimize`: importing it takes a quarter of a second.
    x, step = 0.5 + 1 / value, np.inf
    while abs(step) > 1e-12 * x:
        trigamma = polygamma(1, x)
        step = trigamma * (1 - trigamma / value) / polygamma(2, x)
        x += step
    return float(x)
