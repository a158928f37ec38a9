"""The matrix of pairs and the decisions, from a stored report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.app import cost_text

SIGNS = {
    "✓": "works: within the margin of the best",
    "✗": "does not work: costs more than the margin",
    "○": "nothing to transfer: no γ gains more than the margin",
    "?": "open: not enough evidence",
}
"""The sign of each verdict with its meaning, in the order of the classes m1 to m4 of the style."""

VERDICTS = {
    "transfers": "✓",
    "does not transfer": "✗",
    "nothing to transfer": "○",
    "not enough evidence": "?",
}


@dataclass(frozen=True)
class Matrix:
    """The verdicts of all pairs: rows are sources, columns are targets.

    Attributes:
        names: the names of the cells.
        rows: the fields of each row: class, sign and bound.
    """

    names: list[str]
    rows: list[list[tuple[str, str, str]]]
    signs: Mapping[str, str]


def margins(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The decisions of a report at its own margin, as `summary.by_margin` has them."""
    summary = report["summary"]
    found: Mapping[str, Any] = summary["by_margin"][f"{summary['margin']:g}"]
    return found


def matrix_of(report: Mapping[str, Any]) -> Matrix | None:
    """The matrix of a stored report; None for one cell."""
    keys = [_key(answer) for answer in report["answers"]]
    names = [line[0] for line in margins(report)["lines"]]
    if len(keys) < 2 or not report["regret"]:
        return None
    found = {(tuple(row["source"]), tuple(row["target"])): _field(row) for row in report["regret"]}
    rows = [
        [("", "–", "") if a == b else found.get((a, b), ("", "–", "")) for b in keys] for a in keys
    ]
    return Matrix(names, rows, SIGNS)


def _key(answer: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(answer[name] for name in ("model", "task", "depth", "n_train", "protocol"))


def _field(row: Mapping[str, Any]) -> tuple[str, str, str]:
    sign = VERDICTS.get(row["verdict"], "?")
    cost = "" if row["bound"] is None else cost_text(row["bound"])
    return f"m{list(SIGNS).index(sign) + 1}", sign, cost
