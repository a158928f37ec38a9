"""The verdicts of all pairs of cells as a matrix: rows are sources, columns are targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lkm_tune.transfer.fit.analysis import Pair
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.wording import NO_BREAK, at_most, cost_text, gamma_text, margin_text

MARKS = {TRANSFERS: "✓", DOES_NOT: "✗", NOTHING: "○", UNDECIDED: "?"}
"""The sign of each verdict."""

MEANINGS = {
    TRANSFERS: "works: within the margin of the best",
    DOES_NOT: "does not work: costs more than the margin",
    NOTHING: "nothing to transfer: no γ gains more than the margin",
    UNDECIDED: "open: not enough evidence",
}
"""The meaning of each verdict, for people."""


@dataclass(frozen=True)
class Field:
    """One field of the matrix.

    Attributes:
        verdict: one of `MARKS`, "" on the diagonal.
        bound: the largest cost of the γ, as a fraction; NaN if unknown, inf without bound.
        title: both in a sentence.
    """

    verdict: str
    bound: float
    title: str

    @property
    def mark(self) -> str:
        """The sign of the verdict."""
        return MARKS.get(self.verdict, "–")

    @property
    def cost(self) -> str:
        """The bound as a number of per cent, "" without bound."""
        return cost_text(self.bound)


def matrix(pairs: Sequence[Pair], names: dict[CellKey, str], margin: float) -> list[list[Field]]:
    """All fields, rows and columns in the order of the names.

    Args:
        pairs: every ordered pair of different cells.
        names: names of the cells.
        margin: one of the margins of the verdicts.
    """
    place = {key: i for i, key in enumerate(names)}
    same, none = (Field("", math.nan, t) for t in ("the same cell", "no curve to compare"))
    rows = [[same if source == target else none for target in names] for source in names]
    for pair in pairs:
        verdict = pair.verdicts[margin].verdict
        rows[place[pair.source]][place[pair.target]] = Field(
            verdict,
            pair.regret.bound,
            f"γ = {gamma_text(pair.gamma)} of {names[pair.source]} in {names[pair.target]}:"
            f" {verdict}{_cost(pair)}",
        )
    return rows


def _cost(pair: Pair) -> str:
    if math.isinf(pair.regret.value):
        return ", training diverges"
    if math.isinf(pair.regret.bound):
        return ", not measured there"
    if math.isnan(pair.regret.bound):
        return ""
    return f", costs at most {at_most(pair.regret.bound)}"


def counts(pairs: Sequence[Pair], margin: float) -> dict[str, int]:
    """The number of pairs with each verdict, in the order of `MARKS`."""
    found = [pair.verdicts[margin].verdict for pair in pairs]
    return {verdict: found.count(verdict) for verdict in MARKS}


def legend(margin: float) -> str:
    """The signs in one line of plain text."""
    within = f"within {margin_text(margin)}".replace(NO_BREAK, " ")
    return f"✓ works ({within})   ✗ does not   ○ nothing to transfer   ? open"
