"""What each way to choose γ costs on average over the cells that are left out in turn."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from lkm_tune.transfer.fit.answer import PAPER_GAMMA
from lkm_tune.transfer.fit.gain import mean_interval
from lkm_tune.transfer.fit.prediction_test import LEFT_OUT
from lkm_tune.transfer.fit.rivals import LEVEL
from lkm_tune.transfer.wording import estimate, percent

PREDICTED = "regret"
RULES = {
    PREDICTED: "the predicted γ",
    "regret_paper": f"γ = {PAPER_GAMMA:g} everywhere",
    "regret_zero": "γ = 0",
    "regret_own": "its own search",
}
"""Column of the expected regret of each way to choose γ -> its name."""


def prediction_summary(predictions: pd.DataFrame) -> pd.DataFrame:
    """Mean expected regret of each way to choose γ, one row for each left-out group and way.

    `rule`: the column of `predictions`. `n`: number of judged cells. `regret` with `low` and
    `high`: the mean over cells and its 95 % interval, at least 0. `more` with `more_low` and
    `more_high`: the mean of the way's regret minus that of the predicted γ in the same cell; the
    intervals of all ways hold together at 95 % (Bonferroni). A way that is unknown in one of the
    cells has NaN.
    """
    rows = []
    for left_out in LEFT_OUT:
        part = predictions[predictions["left_out"] == left_out]
        part = part[part[PREDICTED].notna()]
        for rule in RULES if len(part) else ():
            mean = mean_interval(part[rule], 1 - LEVEL)
            more = mean_interval(part[rule] - part[PREDICTED], (1 - LEVEL) / (len(RULES) - 1))
            rows.append(
                (left_out, rule, len(part), mean.value, max(mean.low, 0.0), mean.high, *more)
            )
    columns = ["left_out", "rule", "n", "regret", "low", "high", "more", "more_low", "more_high"]
    return pd.DataFrame(rows, columns=columns)


def prediction_sentence(summary: pd.DataFrame, margin: float) -> str:
    """Whether γ can be predicted, in words; "" when nothing could be tested."""
    known = summary[(summary["left_out"] == "cell") & summary["regret"].notna()]
    if known.empty:
        return ""
    ways = known.to_dict("records")
    predicted = ways[0]
    if predicted["high"] <= margin:
        verdict = "Yes, for cells like these"
    elif predicted["low"] > margin:
        verdict = f"Not to within {percent(margin)}"
    else:
        verdict = "Not settled"
    costs = ", ".join(
        f"{estimate(way['regret'], way['low'], way['high'])} with {RULES[way['rule']]}"
        for way in ways
    )
    return (
        f"{verdict}: with each of {predicted['n']} cells left out in turn, the expected regret is"
        f" on average {costs}. {_comparison(ways)}"
    )


def _comparison(ways: Sequence[Mapping[Hashable, Any]]) -> str:
    """The ways that are shown to cost less or more than the predicted γ in the same cells."""
    shown = [
        f"{RULES[way['rule']]} is shown to cost {'less' if way['more'] < 0 else 'more'}"
        for way in ways
        if way["more_high"] < 0 or way["more_low"] > 0
    ]
    if not shown:
        return "No other way is shown to cost less or more than the prediction."
    return f"Against the prediction, in the same cells, {', '.join(shown)}."
