import numpy as np
import pytest

from lkm_tune.transfer.fit.curve import CurveModel, matern52
from lkm_tune.transfer.fit.noise import NoisePrior, seed_information, total
from lkm_tune.transfer.fit.response_scale import ResponseScale

X = np.linspace(-3.0, 0.0, 7)


def fit(y: np.ndarray):
    model = CurveModel(X)
    return model.fit(total(seed_information(row) for row in y), NoisePrior())


def test_posterior_is_the_dense_gaussian_process_of_the_same_settings() -> None:
    # The textbook form has flat priors on seed levels and on m, and all runs at once.
    rng = np.random.default_rng(0)
    y = rng.normal(0, 0.02, (3, 1)) + np.r_[0.0, np.sin(X)] + rng.normal(0, 0.1, (3, 8))
    found = fit(y)
    length, ratio, pair = 3.0, 300.0, -1
    kernel = np.zeros((8, 8))
    kernel[1:, 1:] = ratio**2 * matern52(X, X, length)
    covariance = np.eye(24) + np.tile(kernel, (3, 3))
    design = np.column_stack([np.repeat(np.eye(3), 8, axis=0), np.tile(np.r_[0, np.ones(7)], 3)])
    inverse = np.linalg.inv(covariance)
    fixed = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y.ravel())
    residual = inverse @ (y.ravel() - design @ fixed)
    expected = fixed[-1] + np.tile(kernel[1:], (1, 3)) @ residual
    np.testing.assert_allclose(found.theta[pair], expected, atol=1e-4)


def test_draws_have_the_posterior_mean_and_the_spread_of_the_data() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(0, 0.3, (4, 1)) - 0.5 + rng.normal(0, 0.1, (4, 8))
    found = fit(y)
    draws = found.draw(np.random.default_rng(2), 20_000)
    np.testing.assert_allclose(draws.mean(axis=0), found.mean, atol=0.004)
    # A flat curve is known about as precisely as its mean relative to the control.
    assert 0.8 < draws[:, 40].std() / (0.1 * np.sqrt(1 / 4 + 1 / 28)) < 1.6


@pytest.mark.parametrize("missing", [[], [(2, slice(2, None))], [(0, 0), (1, 3), (2, slice(4, 8))]])
def test_seeds_alone_average_to_the_whole_fit_by_their_shares(missing) -> None:
    """Shares are right for missing runs: a seed with two runs has one of 15 degrees of freedom."""
    y = np.random.default_rng(3).normal(size=(3, 8))
    for seed, runs in missing:
        y[seed, runs] = np.nan
    parts = [seed_information(row) for row in y]
    everything = total(parts)
    found = CurveModel(X).fit(everything, NoisePrior())
    shares = [part.dof / everything.dof for part in parts]
    alone = [found.alone(*two) for two in zip(parts, [everything] * 3, shares, strict=True)]
    np.testing.assert_allclose(np.average(alone, axis=0, weights=shares), found.mean, atol=1e-9)


def test_the_response_scale_keeps_the_bottom_compresses_the_top_and_comes_back() -> None:
    scale = ResponseScale(reference=-0.1, width=0.1)
    theta = np.array([-0.3, -0.1, -0.095, 0.0, 0.5, 3.0])
    compressed = scale.compress(theta)
    np.testing.assert_allclose(compressed[:3], theta[:3], atol=1e-5)
    assert np.all(np.diff(compressed) > 0)
    assert compressed[-1] < 0.4
    np.testing.assert_allclose(scale.expand(compressed), theta)
    step = 1e-6
    numerical = (scale.compress(theta + step) - scale.compress(theta - step)) / (2 * step)
    np.testing.assert_allclose(scale.slope(theta), numerical, atol=1e-5)


def test_information_on_the_response_scale_has_the_compressed_means() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(0, 0.05, (3, 8)) + np.r_[0, 0.5 * np.exp(X)]
    information = total(seed_information(row) for row in y)
    at = np.linalg.solve(information.matrix, information.vector)
    scale = ResponseScale(float(at.min()), 0.1)
    compressed = scale.information(information, at)
    np.testing.assert_allclose(
        np.linalg.solve(compressed.matrix, compressed.vector), scale.compress(at)
    )
    left = compressed.rss - compressed.vector @ np.linalg.solve(
        compressed.matrix, compressed.vector
    )
    assert np.isclose(left, information.rss - information.vector @ at)
