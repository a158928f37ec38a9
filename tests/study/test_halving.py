"""Successive halving as a table."""

import pytest

from lkm_tune.study.halving import rungs, survives


@pytest.mark.parametrize(
    ("grace", "factor", "budget", "expected"),
    [(1, 3, 27, (1, 3, 9)), (10, 3, 150, (10, 30, 90)), (2, 2, 16, (2, 4, 8)), (5, 3, 5, ())],
)
def test_rungs_lie_below_the_budget(grace, factor, budget, expected):
    assert rungs(grace, factor, budget) == expected


@pytest.mark.parametrize(
    ("error", "others", "factor", "expected"),
    [
        (9.0, [], 3, True),  # the first trial has no rivals
        (2.0, [1.0], 3, False),  # the better of two trials
        (0.5, [1.0], 3, True),
        (2.0, [1, 3, 4, 5, 6], 3, True),  # second of six: 6 // 3 continue
        (3.5, [1, 3, 4, 5, 6], 3, False),
        (1.0, [1.0, 1.0], 2, True),  # a tie is not worse
    ],
)
def test_the_best_of_a_rung_go_on(error, others, factor, expected):
    assert survives(error, others, factor) is expected
