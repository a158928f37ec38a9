"""What many cells say together, where a sentence each would bury the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.wording import gamma_text, percent

MOST_TOLD = 8
"""Of more cells than this only what they say together stands in front of the curves."""

_QUARTILES = (0.25, 0.5, 0.75)


def overview(answers: Sequence[CellAnswer]) -> str:
    """Where the best γ of the cells lie and how many gain by them; "" where they are few."""
    if len(answers) <= MOST_TOLD:
        return ""
    known = [a.gamma_best for a in answers if not a.flat and math.isfinite(a.gamma_low)]
    gains = [a.gain for a in answers if a.gain_low > 0]
    told = f"Of {len(answers)} cells, {len(known)} have a best γ that is told from other γ"
    if known:
        low, middle, high = (gamma_text(g) for g in np.quantile(known, _QUARTILES).tolist())
        told += f": {middle} at the median, half of them between {low} and {high}"
    told += f". A gain over γ = 0 is shown in {len(gains)}"
    if gains:
        told += f", {percent(float(np.median(gains)))} at the median"
    return f"{told}. What is known of each stands beside its curve."
