import numpy as np
import pytest
from scipy.stats import t as student_t

from lkm_tune.transfer.fit.small_p import upper_tail


@pytest.mark.parametrize("dof", [8.0, 30.0])
@pytest.mark.parametrize("p", [0.1, 1e-3, 1e-5])
def test_p_values_far_below_one_over_the_draws_are_right_or_too_large(dof: float, p: float) -> None:
    found = []
    for seed in range(40):
        draws = student_t.rvs(dof, size=2000, random_state=seed)
        found.append(upper_tail(draws, float(student_t.isf(p, dof)), dof))
    assert 0.7 * p < np.median(found) < 12 * p


def test_what_cannot_be_extrapolated_is_counted() -> None:
    assert upper_tail(np.zeros(999), 0.01, 10.0) == pytest.approx(1 / 1000)
    draws = np.r_[np.zeros(1500), np.full(500, np.inf)]
    assert upper_tail(draws, 0.01, 10.0) == pytest.approx(501 / 2001)
