"""The change of the noise of runs with γ."""

import numpy as np
import pytest

from lkm_tune.transfer.fit.noise import seed_information, total
from lkm_tune.transfer.fit.noise_slope import NoiseSlope, noise_slope

X = np.linspace(-3, 0.5, 8)


def tables(slope: float, seeds: int = 8, cells: int = 4, random: int = 0):
    """Cells with different noise whose variance grows by e^slope per decade."""
    rng = np.random.default_rng(random)
    spread = 0.02 * np.exp(0.5 * slope * X)
    return [
        (X, (cell + 1) * spread * rng.normal(size=(seeds, len(X))) + rng.normal(0, 0.1, len(X)))
        for cell in range(cells)
    ]


@pytest.mark.parametrize("slope", [-1.0, 0.8])
def test_the_slope_is_found(slope) -> None:
    found = [noise_slope(tables(slope, random=n)).slope for n in range(20)]
    assert np.mean(found) == pytest.approx(slope, abs=0.1)
    weights = NoiseSlope(slope, float(X.mean())).weights(X)
    assert weights[0] / weights[-1] == pytest.approx(np.exp(slope * 3.5))


def test_even_noise_has_no_slope() -> None:
    found = np.array([noise_slope(tables(0.0, random=n)).slope for n in range(100)])
    assert np.mean(found == 0) > 0.93
    assert np.abs(found).max() < 0.4


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [(X[:2], np.zeros((1, 2)))],
        # γ = 0 counts as the lowest γ, so one γ has no slope.
        [(np.array([-2.0, -2.0]), np.random.default_rng(0).normal(size=(8, 2)))],
        [(X, np.zeros((3, 8)))],
        [(X, np.full((3, 8), np.nan))],
    ],
)
def test_too_few_runs_have_no_slope(cells) -> None:
    assert noise_slope(cells).slope == 0


def test_weighted_information_is_that_of_weighted_least_squares() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([4.0, 2.0, 1.0, 0.5])
    errors = rng.normal(0, 1, (5, 4)) / np.sqrt(weights)
    whole = total(seed_information(row, weights) for row in errors)
    found = np.linalg.solve(whole.matrix, whole.vector)
    # No run is missing, so the effects are the means over seeds, whatever the weights.
    np.testing.assert_allclose(found, (errors[:, 1:] - errors[:, :1]).mean(axis=0))
    covariance = np.linalg.inv(whole.matrix)
    expected = (np.diag(1 / weights[1:]) + 1 / weights[0]) / 5
    np.testing.assert_allclose(covariance, expected)
