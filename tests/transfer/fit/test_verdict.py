import math

import numpy as np
import pytest

from lkm_tune.transfer.fit.verdict import (
    DOES_NOT,
    NOTHING,
    TRANSFERS,
    UNDECIDED,
    Estimate,
    decide,
    seeds_needed,
)

SURE, UNSURE, UNKNOWN = 1e-6, 0.5, float("nan")


# p-values of: gain above the margin, regret above the margin, regret within the margin.
@pytest.mark.parametrize(
    ("gain_within", "regret_within", "regret_beyond", "verdict"),
    [
        (SURE, UNSURE, UNSURE, NOTHING),
        (SURE, SURE, UNSURE, NOTHING),
        (SURE, UNSURE, SURE, NOTHING),
        (UNSURE, SURE, UNSURE, TRANSFERS),
        (UNSURE, SURE, SURE, TRANSFERS),
        (UNSURE, UNSURE, SURE, DOES_NOT),
        (UNSURE, UNSURE, UNSURE, UNDECIDED),
        (UNKNOWN, SURE, UNSURE, TRANSFERS),
        (UNKNOWN, UNSURE, SURE, DOES_NOT),
        (SURE, UNKNOWN, UNKNOWN, NOTHING),
        (UNKNOWN, UNKNOWN, UNKNOWN, UNDECIDED),
        (UNSURE, 0.06, UNSURE, UNDECIDED),
    ],
)
def test_order_of_verdicts(
    gain_within: float, regret_within: float, regret_beyond: float, verdict: str
) -> None:
    found = decide([(gain_within, regret_within, regret_beyond)]).verdicts[0]
    assert found.verdict == verdict
    assert found.q_value <= 0.05 or verdict == UNDECIDED


def test_more_pairs_ask_for_more_evidence() -> None:
    pair, noise = (UNSURE, 0.02, UNSURE), (UNSURE, UNSURE, UNSURE)
    assert decide([pair]).verdicts[0].verdict == TRANSFERS
    assert decide([pair] + [noise] * 20).verdicts[0].verdict == UNDECIDED


def test_chance_alone_is_rarely_called_a_finding() -> None:
    rng = np.random.default_rng(0)
    found = [
        {v.verdict for v in decide(rng.uniform(size=(12, 3)).tolist()).verdicts} for _ in range(400)
    ]
    for verdict in (NOTHING, TRANSFERS, DOES_NOT):
        assert np.mean([verdict in verdicts for verdicts in found]) <= 0.05


def test_seeds_needed_follow_the_square_of_what_is_missing() -> None:
    # Standard error 1, and 2 standard errors would decide.
    width, p_needed = 1.959964, 0.022751

    def needed(value: float, p_value: float = 0.5, high: float | None = None) -> float:
        high = value + width if high is None else high
        estimate = Estimate(value, value - width, high, 0.0, p_value, p_needed)
        return seeds_needed([estimate], 4)

    assert needed(1.0) == 12
    assert needed(4.0) == 1
    assert needed(4.0, p_value=0.158655) == 12
    assert needed(0.01) == math.inf
    assert math.isnan(needed(1.0, high=math.inf))
    # Too few γ for a test: the estimates are finite, but nothing is known of them.
    assert math.isnan(needed(1.0, p_value=math.nan))
