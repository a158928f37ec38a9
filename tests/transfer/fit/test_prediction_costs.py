import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lkm_tune.transfer.fit.gain import mean_interval
from lkm_tune.transfer.fit.prediction_costs import (
    RULES,
    prediction_sentence,
    prediction_summary,
)

HIGHER = [0.020, 0.031, 0.026, 0.024]
LOWER = [0.010, 0.012, 0.008, 0.011]


def judged(**costs):
    """Predictions of cells, each left out in turn, with the same costs for ways not named."""
    table = pd.DataFrame({rule: costs.get(rule, costs["regret"]) for rule in RULES})
    return table.assign(left_out="cell")


def test_intervals_are_students_over_the_cells() -> None:
    found = prediction_summary(judged(regret=LOWER, regret_zero=HIGHER)).set_index("rule")
    assert list(found.index) == list(RULES)
    row = found.loc["regret_zero"]
    known = stats.ttest_1samp(HIGHER, 0).confidence_interval(0.95)
    assert tuple(row[["regret", "low", "high"]]) == pytest.approx((np.mean(HIGHER), *known))
    # Three ways are compared with the prediction.
    known = stats.ttest_rel(HIGHER, LOWER).confidence_interval(1 - 0.05 / 3)
    more = np.mean(HIGHER) - np.mean(LOWER)
    assert tuple(row[["more", "more_low", "more_high"]]) == pytest.approx((more, *known))


@pytest.mark.parametrize(
    ("costs", "verdict", "comparison"),
    [
        ({"regret": LOWER}, "Yes", "No other way is shown"),
        ({"regret": HIGHER}, "Not to within 1.5", "No other way is shown"),
        ({"regret": [0.01, 0.04, 0.0, 0.01]}, "Not settled", "No other way is shown"),
        (
            {"regret": LOWER, "regret_zero": HIGHER},
            "Yes",
            "in the same cells, γ = 0 is shown to cost more.",
        ),
        (
            {"regret": HIGHER, "regret_paper": LOWER, "regret_zero": LOWER},
            "Not to within",
            "γ = 0.02 everywhere is shown to cost less, γ = 0 is shown to cost less.",
        ),
    ],
)
def test_verdicts(costs, verdict, comparison) -> None:
    sentence = prediction_sentence(prediction_summary(judged(**costs)), 0.015)
    assert sentence.startswith(verdict)
    assert comparison in sentence


def test_one_cell_has_no_interval_and_an_unknown_way_no_cost() -> None:
    summary = prediction_summary(judged(regret=[0.001], regret_paper=[np.nan]))
    sentence = prediction_sentence(summary, 0.02)
    assert sentence.startswith("Not settled")
    assert "(no interval)" in sentence
    assert RULES["regret_paper"] not in sentence
    unknown = judged(regret=LOWER, regret_paper=[*LOWER[:3], np.nan])
    assert prediction_summary(unknown).set_index("rule").loc["regret_paper", "n":].isna().sum() == 6


def test_the_interval_holds_the_mean_of_skewed_costs_and_excludes_other_means() -> None:
    """Six cells; costs as of an exponential distribution, the worst case, with mean 1."""
    samples = np.random.default_rng(0).exponential(size=(2000, 6))
    intervals = [mean_interval(values, 0.05) for values in samples]
    assert np.mean([found.low <= 1 <= found.high for found in intervals]) >= 0.88
    assert np.mean([found.high < 4 for found in intervals]) >= 0.9
