"""The verdict on transfer of γ between two cells, by tests with a false discovery rate.

The question is whether the γ that the source's report recommends works in the target. Verdicts in
this order, each on its own one-sided test (`fit.regret`):

1. *does not transfer*: the regret is shown to be beyond the margin;
2. *nothing to transfer*: the target's gain is shown to be within the margin for every γ;
3. *transfers*: the regret is shown to be within the margin;
4. *not enough evidence* otherwise.

"Shown" means a q-value of at most 5 % after Y. Benjamini & Y. Hochberg (J. R. Stat. Soc. B 57,
1995, eq. 1). Each side is a family: of the verdicts of one kind, at most 5 % are expected to be
wrong. "Nothing to transfer" is one test per target, the others are one test per pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.fit.noise import Array

NOTHING = "nothing to transfer"
TRANSFERS = "transfers"
DOES_NOT = "does not transfer"
UNDECIDED = "not enough evidence"

FALSE_DISCOVERY_RATE = 0.05
FEWEST_SEEDS = 3
"""Fewest seeds for a verdict."""


@dataclass(frozen=True)
class Verdict:
    """A verdict with its q-value (for an undecided pair, the smallest of its tests)."""

    verdict: str
    q_value: float


@dataclass(frozen=True)
class PairTests:
    """The p-values of one ordered pair, NaN without a test.

    Attributes:
        target: index of the target cell.
        p_within: p-value of "the regret is above the margin".
        p_beyond: p-value of "the regret is within the margin".
    """

    target: int
    p_within: float
    p_beyond: float


def decide(
    p_nothing: Sequence[float], pairs: Sequence[PairTests], rate: float = FALSE_DISCOVERY_RATE
) -> list[Verdict]:
    """Verdicts of all pairs, in the order of `pairs`.

    Args:
        p_nothing: p-value of "the gain is above the margin" for each cell, NaN without a test.
        pairs: the tests of each pair.
        rate: largest false discovery rate of each family.
    """
    q_nothing = q_values(np.array(p_nothing, dtype=float))
    q_within = q_values(np.array([pair.p_within for pair in pairs], dtype=float))
    q_beyond = q_values(np.array([pair.p_beyond for pair in pairs], dtype=float))
    return [
        _verdict(
            {DOES_NOT: beyond, NOTHING: float(q_nothing[pair.target]), TRANSFERS: within}, rate
        )
        for pair, within, beyond in zip(pairs, q_within.tolist(), q_beyond.tolist(), strict=True)
    ]


def q_values(p: Array) -> Array:
    """q-values of one family of tests, NaN where there is no test.

    Benjamini and Hochberg 1995, "Controlling the false discovery rate", J. R. Stat. Soc. B 57, 289.
    """
    q = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        # The import of `scipy.stats.false_discovery_control` would take half a second.
        order = np.flatnonzero(tested)[np.argsort(p[tested])]
        scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
        q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def _verdict(q: dict[str, float], rate: float) -> Verdict:
    for name, value in q.items():
        if value <= rate:
            return Verdict(name, value)
    known = [value for value in q.values() if not math.isnan(value)]
    return Verdict(UNDECIDED, min(known, default=math.nan))
