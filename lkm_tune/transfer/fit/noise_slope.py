"""How the noise of runs changes with γ.

    Var e[s, j] = σ² exp(b (x_j − x̄)),     x = log10 γ, that of the lowest γ for γ = 0

with one slope b for all cells of a table, and σ² of each cell its own. b has the largest likelihood
of the residuals of the additive model (seed + γ, so weighted) under a gamma distribution with the
degrees of freedom that each γ has (P. McCullagh & J. A. Nelder, Generalized Linear Models, 1989,
chapter 10). It is shrunk as by W. James & C. Stein (Proc. 4th Berkeley Symp. 1, 1961, eq. 7, its
positive part): below `_SURE` standard errors it is 0, so that cells of even noise lose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.noise import Array, additive_basis

_SURE = 2.5
_LARGEST = 3.0
"""e³ times the variance a decade."""

_STEPS = 6
_FEWEST_DOF = 0.5
_SMALLEST_VARIANCE = 1e-12
"""Runs that repeat exactly still leave the rounding of float32 training in log error."""


@dataclass(frozen=True)
class NoiseSlope:
    """b and x̄ of a study."""

    slope: float = 0.0
    centre: float = 0.0

    def weights(self, x: Array) -> Array:
        """σ² over the variance of a run at each x."""
        return np.asarray(np.exp(-self.slope * (x - self.centre)))


def noise_slope(tables: Sequence[tuple[Array, Array]]) -> NoiseSlope:
    """The slope of a study.

    Args:
        tables: of each cell x [1 + J] and log errors [S, 1 + J], NaN where no run is.
    """
    if not tables:
        return NoiseSlope()
    centre = float(np.concatenate([x for x, _ in tables]).mean())
    slope, information = 0.0, 0.0
    for _ in range(_STEPS):
        score, information = 0.0, 0.0
        weights = NoiseSlope(slope, centre)
        for dof, variance, x in (_variances(x, y, weights.weights(x)) for x, y in tables):
            if len(x) > 1:
                off = x - dof @ x / dof.sum()
                score += 0.5 * float((dof * off) @ variance / (dof @ variance) * dof.sum())
                information += 0.5 * float(dof @ off**2)
        if information == 0:
            return NoiseSlope()
        slope = float(np.clip(slope + score / information, -_LARGEST, _LARGEST))
    errors = slope**2 * information
    kept = max(0.0, 1 - _SURE**2 / errors) if errors > 0 else 0.0
    return NoiseSlope(kept * slope, centre)


def _variances(x: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Degrees of freedom and variance (of errors times root weights) of each γ, and its x."""
    ran = ~np.isnan(y)
    basis = additive_basis(ran, weights)
    residual, dof = np.zeros((2, *y.shape))
    scaled = (y * np.sqrt(weights))[ran]
    residual[ran] = scaled - basis @ (basis.T @ scaled)
    dof[ran] = 1 - (basis**2).sum(axis=1)
    total = dof.sum(axis=0)
    kept = total > _FEWEST_DOF
    squares = (residual**2).sum(axis=0)[kept] + _SMALLEST_VARIANCE
    return total[kept], squares / total[kept], x[kept]
