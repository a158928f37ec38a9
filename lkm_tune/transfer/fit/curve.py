"""The response curve of one cell: a Gaussian process over log10 γ and a free control level.

With θ of `fit.noise` (log error relative to the control, seed intercepts projected out), the curve
is θ(x) = m + h(x), x = log10 γ: a flat prior on m (so the control has a separate level and is no
point on the log axis) and h ~ GP(0, σ² r² k_ℓ) with the Matérn 5/2 kernel (Rasmussen & Williams,
Gaussian Processes for Machine Learning, 2006, eq. 4.17). The length ℓ (0.3 to 3 decades) and the
ratio r of curve to noise are averaged over a grid, weighted by the marginal likelihood; σ² is
integrated analytically. With few seeds, the average keeps the uncertainty of ℓ and r, which a
plug-in estimate ignores. The prior of ℓ is learnt from all cells (`shared_prior`); with few cells
it is log-normal around one decade. The prior of r is flat in its logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lkm_tune.transfer.fit.noise import Array, Information, NoisePrior

LENGTHS = np.geomspace(0.3, 3.0, 6)
RATIOS = np.geomspace(0.03, 300.0, 13)
GRID_POINTS = 81
DRAWS = 2000

_LOG_LENGTH_SPREAD = 0.6
"""Prior standard deviation of ln ℓ: a factor of 1.8 in each direction."""

_BASE_CELLS = 1.0
"""Weight of the base prior, in cells."""

_FEWEST_TO_SHARE = 3
_SHARING_STEPS = 30


_JITTER = 1e-7

_NEGLIGIBLE = 1e-4
"""Directions with less than this share of the largest variance are not drawn."""

_LEAST_WEIGHT = 1e-4
"""Pairs below this posterior probability are left out of means over pairs."""


def matern52(first: Array, second: Array, length: float) -> Array:
    """Matérn 5/2 kernel matrix, shape [len(first), len(second)]."""
    u = np.sqrt(5.0) * np.abs(first[:, None] - second[None, :]) / length
    return np.asarray((1 + u + u**2 / 3) * np.exp(-u))


def base_prior() -> Array:
    """Prior probability of each length without cells, shape [lengths]."""
    weight = np.exp(-0.5 * (np.log(LENGTHS) / _LOG_LENGTH_SPREAD) ** 2)
    return np.asarray(weight / weight.sum())


def shared_prior(posteriors: Sequence[Array]) -> Array:
    """The prior of the length of curves from all cells, shape [lengths].

    Seven γ of one cell can hardly exclude a short length, which widens every interval; all cells of
    a study together can. Expectation maximisation estimates the weights of the lengths in the
    population of cells from the posterior of each cell under `base_prior` (N. Laird, J. Am. Stat.
    Assoc. 73, 1978, section 3), smoothed by the base prior. The depth of curves is not shared: a
    flat cell gives no information on a deep one.

    Args:
        posteriors: weight of each pair in the fit of each cell, each of shape [H].
    """
    base = base_prior()
    if len(posteriors) < _FEWEST_TO_SHARE:
        return base
    lengths = np.array(posteriors).reshape(len(posteriors), len(LENGTHS), len(RATIOS)).sum(axis=2)
    likelihood = lengths / base
    prior = base
    for _ in range(_SHARING_STEPS):
        weight = likelihood * prior
        weight /= weight.sum(axis=1, keepdims=True)
        prior = (_BASE_CELLS * base + weight.sum(axis=0)) / (_BASE_CELLS + len(weight))
    return prior


class CurveModel:
    """The part of the curve's posterior that depends on the measured γ and not on the errors.

    H = number of (length, ratio) pairs, J = measured γ, G = points of the fine grid.
    """

    def __init__(self, x: Array) -> None:
        """Prepare the kernels.

        Args:
            x: log10 γ of the measured points, shape [J], increasing.
        """
        self.x = x
        self.grid = np.linspace(x[0], x[-1], GRID_POINTS) if len(x) > 1 else x.copy()
        parts = [_kriging(self.x, self.grid, float(length)) for length in LENGTHS]
        ratios = np.tile(RATIOS**2, len(LENGTHS))
        repeats = len(RATIOS)
        self.to_grid: Array = np.repeat([p.to_grid for p in parts], repeats, axis=0)  # [H, G, J]
        self.precision: Array = (
            np.repeat([p.precision for p in parts], repeats, axis=0) / ratios[:, None, None]
        )  # [H, J, J]
        self.log_prior: Array = np.repeat([p.log_prior for p in parts], repeats) - 0.5 * (
            len(x) - 1
        ) * np.log(ratios)
        self._left_over = [p.left_over for p in parts]
        self._ratios = ratios
        self.scales: Array = np.sqrt(ratios)  # [H], of the curve in units of σ
        self.roots = [_root(p.left_over) for p in parts]

    def left_over(self, pair: int) -> Array:
        """Variance of the grid given the measured points in units of σ², shape [G, G]."""
        return np.asarray(self._left_over[pair // len(RATIOS)] * self._ratios[pair])

    def fit(
        self, information: Information, prior: NoisePrior, lengths: Array | None = None
    ) -> CurveFit:
        """Posterior of the curve given the information of some seeds.

        Args:
            information: information of the seeds.
            prior: prior of the noise.
            lengths: prior probabilities of the lengths; `base_prior` by default.
        """
        pairs = np.repeat(base_prior() if lengths is None else lengths, len(RATIOS))
        matrix, sees_control = information.matrix, information.sees_control
        if not sees_control:
            # Without a control the mean of the curve is arbitrary: it is 0 and never used.
            matrix = matrix + np.ones_like(matrix) / len(self.x)
        posterior = matrix + self.precision
        covariance = np.linalg.inv(posterior)
        theta = covariance @ information.vector
        rss = np.maximum(information.rss - theta @ information.vector, 0.0)
        dof = information.dof - int(sees_control) + prior.dof
        scale = np.maximum(rss + prior.dof * prior.variance, 1e-12)
        log_weight = (
            self.log_prior
            + np.log(pairs)
            - 0.5 * np.linalg.slogdet(posterior)[1]
            - 0.5 * dof * np.log(scale)
        )
        weight = np.exp(log_weight - log_weight.max())
        return CurveFit(
            self, np.asarray(covariance, dtype=np.float64), theta, scale, dof,
            weight / weight.sum(), sees_control,
        )  # fmt: skip


@dataclass(frozen=True)
class CurveFit:
    """The posterior of one curve: a mixture over H pairs of multivariate t distributions.

    Attributes:
        model: kernels and grid.
        covariance: covariance of θ at the measured points in units of σ², shape [H, J, J].
        theta: posterior mean at the measured points, shape [H, J].
        scale: scale of σ² (σ² ~ scale / χ²_dof), shape [H].
        dof: degrees of freedom of σ².
        weight: posterior probability of each pair, shape [H].
        sees_control: whether θ is relative to the control (else its mean is arbitrary).
    """

    model: CurveModel
    covariance: Array
    theta: Array
    scale: Array
    dof: float
    weight: Array
    sees_control: bool

    @property
    def mean(self) -> Array:
        """Posterior mean on the grid, shape [G]."""
        means = self.model.to_grid @ self.theta[..., None]
        return np.asarray(np.tensordot(self.weight, means[..., 0], axes=1))

    @property
    def sigma(self) -> float:
        """Posterior standard deviation of one run's log error."""
        return float(np.sqrt(self.weight @ self.scale / max(self.dof - 2, 1.0)))

    def alone(self, seed: Information, everything: Information, share: float) -> Array:
        """The curve of one seed, with the smoothing of all seeds, shape [G].

        The seed is scaled to the information of all seeds. The fit fills in missing runs of the
        seed: C (b_s / w_s + (Λ − Λ_s / w_s) θ), with C the posterior covariance and w_s the share.
        So the mean over seeds, weighted by their shares, is the posterior mean for any missing
        runs.

        Args:
            seed: the information of that seed alone.
            everything: the information of all seeds, to which the fit belongs.
            share: the seed's share of that information, above 0; shares sum to 1.
        """
        vector = seed.vector / share + self.theta @ (everything.matrix - seed.matrix / share)
        theta = self.covariance @ vector[..., None]
        means = (self.model.to_grid @ theta)[..., 0]
        return np.asarray(np.tensordot(self.weight, means, axes=1))

    def interpolation_covariance(self) -> Array:
        """Covariance of the grid that seeds at the measured γ cannot remove, shape [G, G].

        It is the covariance of the curve given its values at the measured points, averaged over
        pairs.
        """
        sigma2 = self.scale / max(self.dof - 2, 1.0)
        out = np.zeros((len(self.model.grid), len(self.model.grid)))
        for pair in np.flatnonzero(self.weight > _LEAST_WEIGHT):
            out += self.weight[pair] * sigma2[pair] * self.model.left_over(int(pair))
        return out

    def draw(self, rng: np.random.Generator, draws: int = DRAWS) -> Array:
        """Draws of the curve on the grid, shape [draws, G], in exchangeable order.

        The draws of one place are adjacent in memory, since places are compared.
        """
        counts = rng.multinomial(draws, self.weight).reshape(len(LENGTHS), len(RATIOS))
        parts = [
            self._draw_length(rng, length, of_ratio)
            for length, of_ratio in enumerate(counts)
            if of_ratio.any()
        ]
        return np.take(np.concatenate(parts, axis=1), rng.permutation(draws), axis=1).T

    def _draw_length(
        self, rng: np.random.Generator, length: int, counts: NDArray[np.int_]
    ) -> Array:
        """The given number of draws for each ratio of one length, shape [G, draws].

        A draw adds a draw of θ at the measured points and a draw of the left-over variance.
        """
        model, pairs = self.model, length * len(RATIOS) + np.flatnonzero(counts)
        pair = np.repeat(pairs, counts[counts > 0])
        sigma = np.sqrt(self.scale[pair] / rng.chisquare(max(self.dof, 1.0), len(pair)))
        roots = np.linalg.cholesky(self.covariance[pairs])
        noise = sigma * rng.standard_normal((len(model.x), len(pair)))
        theta = np.concatenate(
            [root @ noise[:, pair == which] for which, root in zip(pairs, roots, strict=True)],
            axis=1,
        )
        between = model.roots[length]
        left_over = model.scales[pair] * sigma * rng.standard_normal((between.shape[1], len(pair)))
        at_points = self.theta[pair].T + theta
        return np.asarray(model.to_grid[pairs[0]] @ at_points + between @ left_over)


@dataclass(frozen=True)
class _Kriging:
    """Universal kriging (flat mean) with unit variance for one length."""

    to_grid: Array
    left_over: Array
    precision: Array
    log_prior: float


def _kriging(x: Array, grid: Array, length: float) -> _Kriging:
    """Interpolation weights, left-over variance and prior precision of m + h.

    Rasmussen & Williams (2006), section 2.7, eq. 2.41 with a constant basis and a flat prior.
    """
    kernel = matern52(x, x, length) + _JITTER * np.eye(len(x))
    inverse = np.linalg.inv(kernel)
    cross = matern52(grid, x, length) @ inverse
    row = inverse.sum(axis=0)
    total = row.sum()
    off = 1 - cross.sum(axis=1)
    left_over = matern52(grid, grid, length) - cross @ matern52(x, grid, length)
    log_prior = -0.5 * np.linalg.slogdet(kernel)[1] - 0.5 * np.log(total)
    return _Kriging(
        to_grid=cross + np.outer(off, row / total),
        left_over=left_over + np.outer(off, off) / total,
        precision=inverse - np.outer(row, row) / total,
        log_prior=float(log_prior),
    )


def _root(covariance: Array) -> Array:
    """R with R Rᵀ = covariance, without negligible directions, shape [G, rank]."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _NEGLIGIBLE * max(values.max(), _NEGLIGIBLE)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
