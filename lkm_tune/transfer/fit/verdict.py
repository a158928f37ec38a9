"""Does γ transfer from one cell to another? Decided by equivalence, at a false discovery rate.

Verdicts in this order, each on its own one-sided test:

1. *nothing to transfer*: the target's gain is shown to be within the margin;
2. *transfers*: the regret is shown to be within the margin;
3. *does not transfer*: the regret is shown to be beyond the margin;
4. *not enough evidence* otherwise.

"Shown" means a q-value of at most 5 % after Benjamini & Yekutieli (Ann. Stat. 29, 2001, theorem
1.3) over all pairs, which holds however the pairs depend on each other. Each side is a family of
its own: of the pairs called the same, at most 5 % are expected to be called so wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import false_discovery_control

from lkm_tune.transfer.fit.noise import Array

NOTHING = "nothing to transfer"
TRANSFERS = "transfers"
DOES_NOT = "does not transfer"
UNDECIDED = "not enough evidence"
VERDICTS = (NOTHING, TRANSFERS, DOES_NOT, UNDECIDED)

FALSE_DISCOVERY_RATE = 0.05
MOST_SEEDS = 1000
"""More further seeds than this is no plan; it is given as infinite."""


_HALF_WIDTH = 1.959964
"""Half a 95 % interval in standard errors."""


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
        p_needed: for each of the three tests, the p-value at which one more pair would have been
            decided; NaN where nothing was tested.
    """

    verdicts: tuple[Verdict, ...]
    p_needed: tuple[float, float, float]


def decide(p_values: Sequence[tuple[float, float, float]]) -> Decisions:
    """Verdicts from one-sided p-values.

    Args:
        p_values: for each pair (gain above the margin, regret above the margin, regret within the
            margin) as null hypotheses; NaN where there is nothing to test.
    """
    p = np.array(p_values, dtype=float).reshape(-1, 3)
    sides = [_family(side) for side in p.T]
    q = np.column_stack([side for side, _ in sides])
    nothing, within, beyond = (needed for _, needed in sides)
    return Decisions(tuple(_verdict(row) for row in q), (nothing, within, beyond))


def _family(p: Array) -> tuple[Array, float]:
    """q-values of one test over all pairs, and the p-value that one more decision would take."""
    q = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    count = int(tested.sum())
    if count == 0:
        return q, math.nan
    q[tested] = false_discovery_control(p[tested], method="by")
    decided = int((q[tested] <= FALSE_DISCOVERY_RATE).sum())
    harmonic = float(np.sum(1 / np.arange(1, count + 1)))
    return q, FALSE_DISCOVERY_RATE * min(decided + 1, count) / (count * harmonic)


def _verdict(q: Array) -> Verdict:
    for name, value in zip((NOTHING, TRANSFERS, DOES_NOT), q, strict=True):
        if value <= FALSE_DISCOVERY_RATE:
            return Verdict(name, float(value))
    return Verdict(UNDECIDED, float(np.nanmin(q)) if not np.isnan(q).all() else np.nan)


@dataclass(frozen=True)
class Estimate:
    """An estimate beside the margin that it is held against, in log error.

    `p_value` is that of the test on the side of the margin where the estimate lies, `p_needed` the
    one that would decide it.
    """

    value: float
    low: float
    high: float
    margin: float
    p_value: float
    p_needed: float


def seeds_needed(estimates: Sequence[Estimate], seeds: int) -> float:
    """Further seeds a cell after which a pair would be settled, were its estimates the truth.

    The standard error shrinks as 1 / √seeds; the distance of the estimate from the margin stays.
    A plan, not a promise: the estimates move, too.

    Args:
        estimates: one for each question that would settle the pair.
        seeds: seeds the cells have now.

    Returns:
        The number of further seeds, at least 1; inf above `MOST_SEEDS`; NaN when nothing is known.
    """
    known = [e for e in estimates if all(map(math.isfinite, (e.value, e.low, e.high, e.p_value)))]
    if not known:
        return math.nan
    reached = max(_reached(estimate) for estimate in known)
    if reached <= 0:
        return math.inf
    further = max(math.ceil(seeds / reached**2 - seeds), 1)
    return float(further) if further <= MOST_SEEDS else math.inf


def _reached(estimate: Estimate) -> float:
    """How far the estimate is from the margin, as a fraction of how far it must be.

    In standard errors: by the interval, or by the test where that says less.
    """
    reach = max(estimate.high - estimate.value, estimate.value - estimate.low)
    distance = abs(estimate.value - estimate.margin) * _HALF_WIDTH / max(reach, 1e-12)
    by_test = -ndtri(estimate.p_value) if estimate.p_value < 0.5 else math.inf
    return float(min(distance, by_test) / -ndtri(estimate.p_needed))
