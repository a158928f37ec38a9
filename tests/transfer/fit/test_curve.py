import numpy as np

from lkm_tune.transfer.fit.curve import CurveModel, matern52
from lkm_tune.transfer.fit.noise import NoisePrior, seed_information, total
from lkm_tune.transfer.fit.response_scale import Bend

X = np.linspace(-3.0, 0.0, 7)


def fit(y: np.ndarray):
    model = CurveModel(X)
    return model.fit(total(seed_information(row) for row in y), NoisePrior())


def test_posterior_is_the_dense_gaussian_process_of_the_same_settings() -> None:
    # Against the textbook form: flat priors on seed levels and on m, all runs at once.
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
    # A curve seen to be flat is known about as well as its mean against the control.
    assert 0.8 < draws[:, 40].std() / (0.1 * np.sqrt(1 / 4 + 1 / 28)) < 1.6


def test_seeds_smoothed_alone_average_to_the_whole_fit() -> None:
    y = np.random.default_rng(3).normal(size=(3, 8))
    parts = [seed_information(row) for row in y]
    found = CurveModel(X).fit(total(parts), NoisePrior())
    alone = [found.smooth(part, 3) for part in parts]
    np.testing.assert_allclose(np.mean(alone, axis=0), found.mean, atol=1e-9)


def test_bend_keeps_the_bottom_tames_the_top_and_comes_back() -> None:
    bend = Bend(reference=-0.1, width=0.1)
    theta = np.array([-0.3, -0.1, -0.095, 0.0, 0.5, 3.0])
    bent = bend.bend(theta)
    np.testing.assert_allclose(bent[:3], theta[:3], atol=1e-5)
    assert np.all(np.diff(bent) > 0)
    assert bent[-1] < 0.4
    np.testing.assert_allclose(bend.unbend(bent), theta)
    step = 1e-6
    numerical = (bend.bend(theta + step) - bend.bend(theta - step)) / (2 * step)
    np.testing.assert_allclose(bend.slope(theta), numerical, atol=1e-5)


def test_bent_information_has_the_bent_means() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(0, 0.05, (3, 8)) + np.r_[0, 0.5 * np.exp(X)]
    information = total(seed_information(row) for row in y)
    at = np.linalg.solve(information.matrix, information.vector)
    bend = Bend(float(at.min()), 0.1)
    bent = bend.information(information, at)
    np.testing.assert_allclose(np.linalg.solve(bent.matrix, bent.vector), bend.bend(at))
    left = bent.rss - bent.vector @ np.linalg.solve(bent.matrix, bent.vector)
    assert np.isclose(left, information.rss - information.vector @ at)
