"""Bases for distances and angles: envelopes, radial and spherical Bessel functions.

Both bases are of Gasteiger et al. 2020, "Directional Message Passing for Molecular Graphs"
(DimeNet), equations 6 to 8. Ls and Nr are the numbers of angular and radial functions; all
distances are in Å, x = d / cutoff.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import spherical_jn
from torch import Tensor, nn

Envelope = Callable[[Tensor, int, int], Tensor]
"""u(x, exponent, order): behaves as 1/x near 0 and is 0 from x = 1 on; its derivative of an order
up to 2."""


def smooth_envelope(x: Tensor, exponent: int, order: int = 0) -> Tensor:
    """u(x) = (1 + t(x)) / x with the tail t of power exponent + 1; u, u', u'' vanish at x = 1.

    DimeNet, equation 8, divided by x, as in its published code and in PyTorch Geometric.
    """
    if order:
        return _derivative(x, exponent, _tail(exponent + 1), order)
    return torch.where(x < 1, (1 + _smoothing(x, exponent + 1)) / x, 0)


def kinked_envelope(x: Tensor, exponent: int, order: int = 0) -> Tensor:
    """u(x) = 1/x + t(x) with the tail t of power exponent; u(1) = 0 but u'(1) = -1.

    MXMNet and PAMNet publish this form: the tail cancels 1 instead of 1/x, so the slope jumps at
    the cutoff.
    """
    if order:
        return _derivative(x, exponent, _tail(exponent), order)
    return torch.where(x < 1, 1 / x + _smoothing(x, exponent), 0)


def _tail(p: int) -> tuple[float, float, float]:
    """a, b, c so that a x^p + b x^(p+1) + c x^(p+2) is -1 at x = 1, with derivatives 0, 0."""
    return -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2


def _smoothing(x: Tensor, p: int) -> Tensor:
    a, b, c = _tail(p)
    return x**p * (a + x * (b + x * c))


def _derivative(x: Tensor, p: int, tail: tuple[float, float, float], order: int) -> Tensor:
    """The derivative of 1/x + a x^p + b x^(p+1) + c x^(p+2) below x = 1."""
    a, b, c = (math.perm(p + k, order) * factor for k, factor in enumerate(tail))
    lead = (-1) ** order * math.factorial(order) / x ** (order + 1)
    return torch.where(x < 1, lead + x ** (p - order) * (a + x * (b + x * c)), 0)


def curve(x: Tensor, value: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """A function of x, known by its value and its first two derivatives at x.

    Forces are differentiated once more in training. A known formula of each derivative takes far
    fewer operations than autograd needs for the operations of the function.
    """
    shift = x - x.detach()  # 0, with the slope 1
    return value + shift * (first + shift * (second / 2))


def _differentiable(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


class BesselRadial(nn.Module):
    """rbf_n(d) = u(x) sin(f_n x), n = 1 .. Nr, with trainable f_n that begin at n pi.

    DimeNet, equation 7, without its constant factor.
    """

    def __init__(self, num_radial: int, cutoff: float, exponent: int, envelope: Envelope) -> None:
        """Build Nr = `num_radial` functions on (0, cutoff), cutoff in Å."""
        super().__init__()
        self.cutoff = cutoff
        self.exponent = exponent
        self.envelope = envelope
        self.freq = nn.Parameter(math.pi * torch.arange(1, num_radial + 1))

    def forward(self, distance: Tensor) -> Tensor:
        """Distances [E] to functions [E, Nr]."""
        x = (distance / self.cutoff).unsqueeze(-1)
        return self._envelope(x) * torch.sin(self.freq * x)

    def _envelope(self, x: Tensor) -> Tensor:
        if not _differentiable(x):
            return self.envelope(x, self.exponent, 0)
        at = x.detach()
        return curve(x, *(self.envelope(at, self.exponent, order) for order in range(3)))


class SphericalBessel(nn.Module):
    """sbf_ln(d, θ) = u(x) N_ln j_l(z_ln x) Y_l(θ), l = 0 .. Ls-1, n = 1 .. Nr; nothing trainable.

    DimeNet, equation 6, with its envelope: j_l are the spherical Bessel functions, z_ln their
    zeros, N_ln = sqrt(2) / |j_{l+1}(z_ln)|. Index of a feature: l Nr + (n - 1).
    """

    zeros: Tensor
    norms: Tensor

    def __init__(
        self, num_spherical: int, num_radial: int, cutoff: float, exponent: int, envelope: Envelope
    ) -> None:
        """Build Ls x Nr functions on (0, cutoff), cutoff in Å."""
        super().__init__()
        self.num_spherical = num_spherical
        self.num_radial = num_radial
        self.cutoff = cutoff
        self.exponent = exponent
        self.envelope = envelope
        zeros, norms = bessel_tables(num_spherical, num_radial)
        dtype = torch.get_default_dtype()
        self.register_buffer("zeros", torch.tensor(zeros, dtype=dtype), persistent=False)
        self.register_buffer("norms", torch.tensor(norms, dtype=dtype), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # A cast of the buffers from float32 to float64 would keep the rounding to float32.
        zeros, norms = bessel_tables(self.num_spherical, self.num_radial)
        dtype, device = self.zeros.dtype, self.zeros.device
        self.zeros = torch.tensor(zeros, dtype=dtype, device=device)
        self.norms = torch.tensor(norms, dtype=dtype, device=device)
        return self

    def forward(self, distance: Tensor, edge: Tensor, cosine: Tensor) -> Tensor:
        """Features [T, Ls Nr] of pairs: the distance of edge number `edge`, and an angle.

        Args:
            distance: lengths of the edges [E].
            edge: the edge of each pair whose distance counts, int64 [T].
            cosine: cos θ of each pair [T].
        """
        radial = self.radial(distance).index_select(0, edge)
        angular = harmonics(cosine, self.num_spherical)
        return (radial * angular.unsqueeze(-1)).flatten(1)

    def radial(self, distance: Tensor) -> Tensor:
        """The factor u(x) N_ln j_l(z_ln x) of distances [E], as [E, Ls, Nr]."""
        x = (distance / self.cutoff)[:, None, None]
        at = x.detach()
        u = self.envelope(at, self.exponent, 0) * self.norms
        j = spherical_bessel(self.zeros * at)
        if not _differentiable(x):
            return u * j
        first, second = bessel_derivatives(self.zeros * at, j)
        first, second = self.zeros * first, self.zeros.square() * second
        u1, u2 = (self.envelope(at, self.exponent, order) * self.norms for order in (1, 2))
        return curve(x, u * j, u1 * j + u * first, u2 * j + 2 * u1 * first + u * second)


def harmonics(cosine: Tensor, count: int) -> Tensor:
    """Y_l = sqrt((2l+1) / 4π) P_l(cos θ), l = 0 .. count-1, on a new last axis.

    They are polynomials of the cosine, which are smooth for atoms on a line and for two equal
    edges, so forces need no special case.
    """
    scale = [math.sqrt((2 * order + 1) / (4 * math.pi)) for order in range(count)]

    def scaled(polynomials: list[Tensor]) -> Tensor:
        found = zip(scale, polynomials[:count], strict=True)
        return torch.stack([factor * polynomial for factor, polynomial in found], dim=-1)

    if not _differentiable(cosine):
        return scaled(_legendre(cosine, count))
    values = _legendre(cosine.detach(), count)
    # P'_(l+1) = P'_(l-1) + (2l + 1) P_l.
    firsts = [torch.zeros_like(values[0]), torch.ones_like(values[0])]
    seconds = [torch.zeros_like(values[0])] * 2
    for order in range(2, count):
        firsts.append(firsts[-2] + (2 * order - 1) * values[order - 1])
        seconds.append(seconds[-2] + (2 * order - 1) * firsts[order - 1])
    return curve(cosine.unsqueeze(-1), scaled(values), scaled(firsts), scaled(seconds))


def _legendre(cosine: Tensor, count: int) -> list[Tensor]:
    """P_0 .. P_(count-1) of cosines, at least two."""
    legendre = [torch.ones_like(cosine), cosine]
    for order in range(2, count):
        term = (2 * order - 1) * cosine * legendre[-1] - (order - 1) * legendre[-2]
        legendre.append(term / order)
    return legendre


def spherical_bessel(x: Tensor) -> Tensor:
    """j_l(x) for x [..., Ls, Nr] with l = 0 .. Ls-1 along the second last axis; x > 0.

    Power series below x = l + 1 and upward recurrence above (Abramowitz & Stegun 10.1.2 and
    10.1.19): neither cancels in its range, so float32 is enough.
    """
    order = _orders(x)
    turn = order + 1
    # Both branches get safe arguments: where() passes on a NaN gradient of the unused branch.
    return torch.where(
        x < turn,
        _bessel_series(torch.minimum(x, turn), order),
        torch.stack(_bessel_recurrence(torch.maximum(x, turn))[0], dim=-2),
    )


def bessel_derivatives(x: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """j_l'(x) and j_l''(x) as `spherical_bessel`, whose result is `value`.

    j_l' = l/x j_l - j_(l+1), and j_l'' from the differential equation (Abramowitz & Stegun 10.1.22
    and 10.1.1).
    """
    order = _orders(x)
    turn = order + 1
    following = torch.where(
        x < turn,
        _bessel_series(torch.minimum(x, turn), order + 1),
        torch.stack(_bessel_recurrence(torch.maximum(x, turn))[1], dim=-2),
    )
    first = order / x * value - following
    return first, (order * (order + 1) / (x * x) - 1) * value - 2 / x * first


def _orders(x: Tensor) -> Tensor:
    return torch.arange(x.shape[-2], dtype=x.dtype, device=x.device).unsqueeze(-1)


def _bessel_series(x: Tensor, order: Tensor) -> Tensor:
    # A polynomial of z = (x / (l + 1))², z <= 1: its coefficients suit float32, and each costs one
    # operation on the edges.
    turn = _orders(x).expand(x.shape[-2:]).double() + 1
    degree = torch.arange(1, _series_terms(x.shape[-2] - 1, x.dtype) + 1, device=x.device)
    degree = degree[:, None, None]
    ratios = -turn.square() / (2 * degree * (2 * order + 2 * degree + 1))
    coefficients = ratios.cumprod(0).to(x.dtype)
    z = (x / turn.to(x.dtype)).square()
    total = coefficients[-1]
    for coefficient in coefficients[:-1].flip(0):
        total = torch.addcmul(coefficient, total, z)
    odd_factorials = (2 * order + 1).cumprod(0)
    return x**order / odd_factorials * (1 + total * z)


@lru_cache
def _series_terms(order: int, dtype: torch.dtype) -> int:
    """Terms after which the series of j_order at x = order + 1 has converged."""
    term, k = 1.0, 0
    while term > torch.finfo(dtype).eps / 16:
        k += 1
        term *= (order + 1) ** 2 / 2 / (k * (2 * order + 2 * k + 1))
    return k


def _bessel_recurrence(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """j_l(x) and j_(l+1)(x) for each l."""
    inverse = 1 / x
    before = torch.sin(x) * inverse
    current = (before - torch.cos(x)) * inverse
    values, following = [before[..., 0, :]], [current[..., 0, :]]
    for order in range(1, x.shape[-2]):
        before, current, inverse = before[..., 1:, :], current[..., 1:, :], inverse[..., 1:, :]
        values.append(current[..., 0, :])
        before, current = current, (2 * order + 1) * inverse * current - before
        following.append(current[..., 0, :])
    return values, following


@lru_cache
def bessel_tables(
    num_spherical: int, num_radial: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zeros z_ln and normalisers N_ln = sqrt(2) / |j_{l+1}(z_ln)| in float64, [Ls, Nr] each.

    Between two neighbouring zeros of j_{l-1} lies one zero of j_l.
    """
    brackets = np.pi * np.arange(1, num_radial + num_spherical, dtype=np.float64)
    zeros = [brackets[:num_radial]]
    for order in range(1, num_spherical):
        brackets = _zeros_between(order, brackets[:-1], brackets[1:])
        zeros.append(brackets[:num_radial])
    table = np.stack(zeros)
    following = np.arange(1, num_spherical + 1)[:, None]
    norms = np.sqrt(2) / np.abs(spherical_jn(following, table))
    table.flags.writeable = norms.flags.writeable = False
    return table, norms


def _zeros_between(
    order: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The zero of j_order in each interval, shape [K], to the last digit, by bisection.

    The import of `scipy.optimize` for one root finder would take a third of a second.
    """
    sign = np.sign(spherical_jn(order, low))
    while True:
        middle = (low + high) / 2
        if np.all((middle <= low) | (middle >= high)):
            return middle
        below = np.sign(spherical_jn(order, middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
