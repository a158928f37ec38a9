"""Does γ transfer from one cell to another? Decided by equivalence, at a false discovery rate.

Verdicts in this order, each on its own one-sided test:

1. *nothing to transfer*: the target's gain is shown to be within the margin;
2. *transfers*: the regret is shown to be within the margin;
3. *does not transfer*: the regret is shown to be beyond the margin;
4. *not enough evidence* otherwise.

"Shown" means a q-value of at most 5 % after Benjamini & Yekutieli (Ann. Stat. 29, 2001, theorem
1.3) over all tests of all pairs, which holds however the pairs depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, norm

from lkm_tune.transfer.noise import Array

NOTHING = "nothing to transfer"
TRANSFERS = "transfers"
DOES_NOT = "does not transfer"
UNDECIDED = "not enough evidence"
VERDICTS = (NOTHING, TRANSFERS, DOES_NOT, UNDECIDED)

FALSE_DISCOVERY_RATE = 0.05
MOST_SEEDS = 1000
"""More further seeds than this is no plan; it is given as infinite."""


@dataclass(frozen=True)
class Verdict:
    """A verdict with the q-value it rests on (of an undecided pair, the smallest of its tests)."""

    verdict: str
    q_value: float


@dataclass(frozen=True)
class Decisions:
    """Verdicts of all pairs, in the order they were given in.

    Attributes:
        verdicts: one a pair.
        p_needed: p-value below which one more test would have been decided.
    """

    verdicts: tuple[Verdict, ...]
    p_needed: float


def decide(p_values: Sequence[tuple[float, float, float]]) -> Decisions:
    """Verdicts from one-sided p-values.

    Args:
        p_values: for each pair (gain above the margin, regret above the margin, regret within the
            margin) as null hypotheses; NaN where there is nothing to test.
    """
    p = np.array(p_values, dtype=float).reshape(-1, 3)
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    count = int(tested.sum())
    if count == 0:
        return Decisions((Verdict(UNDECIDED, np.nan),) * len(p), np.nan)
    q[tested] = false_discovery_control(p[tested], method="by")
    decided = int((q[tested] <= FALSE_DISCOVERY_RATE).sum())
    harmonic = float(np.sum(1 / np.arange(1, count + 1)))
    p_needed = FALSE_DISCOVERY_RATE * min(decided + 1, count) / (count * harmonic)
    return Decisions(tuple(_verdict(row) for row in q), p_needed)


def _verdict(q: Array) -> Verdict:
    for name, value in zip((NOTHING, TRANSFERS, DOES_NOT), q, strict=True):
        if value <= FALSE_DISCOVERY_RATE:
            return Verdict(name, float(value))
    return Verdict(UNDECIDED, float(np.nanmin(q)) if not np.isnan(q).all() else np.nan)


@dataclass(frozen=True)
class Estimate:
    """An estimate beside the margin that it is held against, in log error.

    `p_value` is that of the test on the side of the margin where the estimate lies.
    """

    value: float
    low: float
    high: float
    margin: float
    p_value: float


def seeds_needed(estimates: Sequence[Estimate], seeds: int, p_needed: float) -> float:
    """Further seeds a cell after which a pair would be settled, were its estimates the truth.

    The standard error shrinks as 1 / √seeds; the distance of the estimate from the margin stays.
    A plan, not a promise: the estimates move, too.

    Args:
        estimates: one for each question that would settle the pair.
        seeds: seeds the cells have now.
        p_needed: one-sided p-value that decides.

    Returns:
        The number of further seeds, at least 1; inf above `MOST_SEEDS`; NaN when nothing is known.
    """
    known = [e for e in estimates if all(map(math.isfinite, (e.value, e.low, e.high)))]
    if not known:
        return math.nan
    distance = max(_distance(estimate) for estimate in known)
    if distance <= 0:
        return math.inf
    further = max(math.ceil(seeds * (norm.isf(p_needed) / distance) ** 2 - seeds), 1)
    return float(further) if further <= MOST_SEEDS else math.inf


def _distance(estimate: Estimate) -> float:
    """Distance from the margin in standard errors: by the interval, by the test where smaller."""
    reach = max(estimate.high - estimate.value, estimate.value - estimate.low)
    distance = abs(estimate.value - estimate.margin) * norm.isf(0.025) / max(reach, 1e-12)
    by_test = norm.isf(estimate.p_value) if estimate.p_value < 0.5 else math.inf
    return float(min(distance, by_test))
