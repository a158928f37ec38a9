"""The change of the noise of runs with γ.

    Var e[s, j] = σ² exp(b (x_j − x̄)),     x = log10 γ; γ = 0 has the x of the lowest γ

All cells of a table share the slope b; each cell has a separate σ². b maximises the likelihood of
the residuals of the additive model (seed + γ, with these weights) under a gamma distribution with
the degrees of freedom of each γ (P. McCullagh & J. A. Nelder, Generalized Linear Models, 1989,
chapter 10). b is then shrunk (W. James & C. Stein, Proc. 4th Berkeley Symp. 1, 1961, eq. 7,
positive part): below `_SURE` standard errors it is 0, so cells with even noise lose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.noise import SMALLEST_VARIANCE, Array, additive_basis

_SURE = 2.5
_LARGEST = 3.0
"""The variance grows at most by e³ per decade."""

_STEPS = 6
_FEWEST_DOF = 0.5


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
        tables: x [1 + J] and log errors [S, 1 + J] of each cell, NaN without a run.
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
    """Degrees of freedom, variance (of errors times root weights) and x of each γ."""
    ran = ~np.isnan(y)
    basis = additive_basis(ran, weights)
    residual, dof = np.zeros((2, *y.shape))
    scaled = (y * np.sqrt(weights))[ran]
    residual[ran] = scaled - basis @ (basis.T @ scaled)
    dof[ran] = 1 - (basis**2).sum(axis=1)
    total = dof.sum(axis=0)
    kept = total > _FEWEST_DOF
    squares = (residual**2).sum(axis=0)[kept] + SMALLEST_VARIANCE
    return total[kept], squares / total[kept], x[kept]
