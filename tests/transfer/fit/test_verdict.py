import numpy as np
import pytest
from scipy.stats import false_discovery_control

from lkm_tune.transfer.fit.verdict import (
    DOES_NOT,
    NOTHING,
    TRANSFERS,
    UNDECIDED,
    PairTests,
    decide,
    q_values,
)

SURE, UNSURE, UNKNOWN = 1e-6, 0.5, float("nan")


# p-values of: gain above the margin, regret above the margin, regret within the margin.
@pytest.mark.parametrize(
    ("gain_within", "regret_within", "regret_beyond", "verdict"),
    [
        (SURE, UNSURE, UNSURE, NOTHING),
        (SURE, SURE, UNSURE, NOTHING),
        # A γ that harms must not be called harmless in a cell without a gain.
        (SURE, UNSURE, SURE, DOES_NOT),
        (UNSURE, SURE, UNSURE, TRANSFERS),
        (UNSURE, UNSURE, SURE, DOES_NOT),
        (UNSURE, UNSURE, UNSURE, UNDECIDED),
        (UNKNOWN, SURE, UNSURE, TRANSFERS),
        (UNKNOWN, UNSURE, SURE, DOES_NOT),
        (SURE, UNKNOWN, UNKNOWN, NOTHING),
        (UNKNOWN, UNKNOWN, UNKNOWN, UNDECIDED),
        (UNSURE, 0.06, UNSURE, UNDECIDED),
        (UNSURE, 0.05, UNSURE, TRANSFERS),
    ],
)
def test_order_of_verdicts(
    gain_within: float, regret_within: float, regret_beyond: float, verdict: str
) -> None:
    (found,) = decide([gain_within], [PairTests(0, regret_within, regret_beyond)])
    assert found.verdict == verdict
    assert found.q_value <= 0.05 or verdict == UNDECIDED


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(q_values(p), [0.04, np.nan, 4 * 0.04 / 3, 4 * 0.04 / 3, 0.5])
    many = np.random.default_rng(0).uniform(0, 1.0000001, 50)
    expected = false_discovery_control(np.minimum(many, 1.0))
    np.testing.assert_allclose(q_values(many), expected)


def test_more_pairs_ask_for_more_evidence() -> None:
    pair, noise = PairTests(0, 0.02, UNSURE), PairTests(0, UNSURE, UNSURE)
    assert decide([UNSURE], [pair])[0].verdict == TRANSFERS
    assert decide([UNSURE], [pair] + [noise] * 20)[0].verdict == UNDECIDED


def test_nothing_to_transfer_is_one_test_a_target() -> None:
    """Nine sources for each of two targets are two tests, not eighteen: p = 0.04 is enough."""
    pairs = [PairTests(target, UNSURE, UNSURE) for target in (0, 1) for _ in range(9)]
    verdicts = [found.verdict for found in decide([0.024, 0.5], pairs)]
    assert verdicts == [NOTHING] * 9 + [UNDECIDED] * 9


def test_chance_alone_is_rarely_called_a_finding() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        pairs = [PairTests(t, *rng.uniform(size=2)) for t in range(4) for _ in range(3)]
        found.append({v.verdict for v in decide(rng.uniform(size=4).tolist(), pairs)})
    for verdict in (NOTHING, TRANSFERS, DOES_NOT):
        assert np.mean([verdict in verdicts for verdicts in found]) <= 0.07
