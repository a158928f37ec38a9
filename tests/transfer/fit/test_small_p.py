import numpy as np
import pytest
from scipy.stats import t as student_t

from lkm_tune.transfer.fit.small_p import p_above


@pytest.mark.parametrize("dof", [8.0, 30.0])
@pytest.mark.parametrize("p", [0.1, 1e-3, 1e-5])
def test_p_values_far_below_one_over_the_draws_are_right_or_too_large(dof: float, p: float) -> None:
    found = []
    for seed in range(40):
        draws = student_t.rvs(dof, size=2000, random_state=seed)
        found.append(p_above(draws, float(student_t.isf(p, dof)), dof))
    assert 0.7 * p < np.median(found) < 12 * p


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        (np.zeros(999), 1 / 1000),
        # A divergence is certain: its share of the draws is the p-value.
        (np.full(2000, np.inf), 1.0),
        (np.full(2000, -np.inf), 0.0),
        (np.r_[np.full(1500, -np.inf), np.full(500, np.inf)], 0.25),
        (np.r_[np.zeros(1500), np.full(500, np.inf)], 0.25 + 0.75 / 1501),
        (np.r_[np.full(1000, -np.inf), np.ones(999)], 999 / 1999),
    ],
)
def test_what_cannot_be_extrapolated_is_counted(draws, expected) -> None:
    assert p_above(draws, 0.01, 10.0) == pytest.approx(expected, abs=1e-12)
