"""A scale on which response curves are smooth: identity near the best γ, logarithmic above.

Strong mixing can double the error within half a decade, while differences around the best γ are a
few percent. One Gaussian process cannot have both slopes: the cliff would make it uncertain
everywhere. So the curve is modelled on the scale

    g(θ) = θ                                  for θ ≤ θ_ref
    g(θ) = θ_ref + κ asinh((θ − θ_ref) / κ)   above,

which has a continuous second derivative and keeps the order of all γ. θ_ref is the lowest measured
point; κ is 0.1 (10 % of the error) or more where runs are noisy. The likelihood of the log
errors is linearised at the measured means (one Gauss–Newton step), so noise keeps its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.noise import Array, Information

_WIDTH = 0.1
_WIDTH_IN_NOISE = 4.0
_FURTHEST = 20.0
"""Cap of log errors: larger errors do not differ in effect, and their exp would overflow."""


@dataclass(frozen=True)
class ResponseScale:
    """The scale g with θ_ref = `reference` and κ = `width` (inf: the identity)."""

    reference: float
    width: float

    def compress(self, theta: Array) -> Array:
        """g(θ)."""
        if np.isinf(self.width):
            return theta
        above = np.maximum(theta - self.reference, 0.0)
        return np.asarray(theta - above + self.width * np.arcsinh(above / self.width))

    def expand(self, compressed: Array) -> Array:
        """The inverse of `compress`, of one value, of a curve [G] or of draws of it [D, G]."""
        if np.isinf(self.width):
            return compressed
        if np.ndim(compressed) < 2:
            return self._expand(compressed)
        # Place by place: ten thousand draws of a whole curve do not fit into the processor's cache.
        return np.stack([self._expand(draws) for draws in compressed.T]).T

    def _expand(self, compressed: Array) -> Array:
        above = np.maximum(compressed - self.reference, 0.0)
        reach = np.minimum(above / self.width, np.arcsinh(_FURTHEST / self.width))
        # sinh from the fast expm1.
        grown = np.expm1(reach)
        return np.asarray(compressed - above + self.width / 2 * (grown + grown / (1 + grown)))

    def slope(self, theta: Array) -> Array:
        """g'(θ)."""
        above = np.maximum(theta - self.reference, 0.0)
        return np.asarray(1 / np.sqrt(1 + (above / self.width) ** 2))

    def information(self, information: Information, at: Array) -> Information:
        """Information on g(θ) instead of θ, linearised at `at`, shape [J]."""
        stretch = 1 / self.slope(at)
        offset = at - self.compress(at) * stretch
        matrix, vector = information.matrix, information.vector
        pushed = matrix @ offset
        return Information(
            stretch[:, None] * matrix * stretch,
            stretch * (vector - pushed),
            information.rss - float(2 * offset @ vector - offset @ pushed),
            information.dof,
            information.sees_control,
        )


def scale_for(information: Information, noise: float) -> tuple[ResponseScale, Array]:
    """The scale of one cell, and the measured means for its linearisation, shape [J].

    Args:
        information: information of all seeds.
        noise: standard deviation of one run's log error, NaN where unknown.
    """
    at = np.asarray(np.linalg.pinv(information.matrix, hermitian=True) @ information.vector)
    if not information.sees_control:
        # The level of the curve is then unknown, so the scale is the identity.
        return ResponseScale(0.0, np.inf), at
    return ResponseScale(float(at.min()), float(np.nanmax([_WIDTH, _WIDTH_IN_NOISE * noise]))), at
