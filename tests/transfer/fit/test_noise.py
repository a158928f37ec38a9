import numpy as np
import pytest
from scipy.special import polygamma

from lkm_tune.transfer.fit.noise import (
    PureError,
    _inverse_trigamma,
    pure_error,
    seed_information,
    shared_noise,
    total,
)


def test_information_of_a_balanced_study_is_that_of_the_means() -> None:
    y = np.random.default_rng(0).normal(size=(3, 5))
    information = total(seed_information(row) for row in y)
    effects = np.linalg.solve(information.matrix, information.vector)
    np.testing.assert_allclose(effects, (y[:, 1:] - y[:, [0]]).mean(axis=0))
    assert information.dof == 12


def test_a_seeds_own_level_says_nothing() -> None:
    row = np.array([0.1, 0.3, np.nan, -0.2])
    one, other = seed_information(row), seed_information(row + 7.0)
    np.testing.assert_allclose(one.vector, other.vector)
    assert one.rss == pytest.approx(other.rss)


def test_pure_error_is_the_two_way_residual_whatever_is_missing() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(400, 1)) + rng.normal(size=6) + rng.normal(0, 0.2, (400, 6))
    y[rng.random(y.shape) < 0.2] = np.nan
    found = pure_error(total(seed_information(row) for row in y))
    assert found.variance == pytest.approx(0.04, rel=0.1)


def test_cells_with_few_seeds_borrow_the_common_noise() -> None:
    alike = shared_noise([PureError(v, 4) for v in (1.0, 1.3, 0.7, 1.1, 0.9)])
    unlike = shared_noise([PureError(v, 4) for v in (1.0, 100.0, 0.01, 10.0, 0.1)])
    assert alike.dof == 30
    assert alike.variance == pytest.approx(1.0, abs=0.3)
    assert unlike.dof < 3
    assert shared_noise([PureError(1.0, 4)] * 2).dof == 0


@pytest.mark.parametrize("value", [1e-5, 0.1, np.pi**2 / 6, 30.0, 1e5])
def test_the_inverse_of_trigamma(value: float) -> None:
    assert polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-12)
