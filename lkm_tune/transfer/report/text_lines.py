"""The answer as lines of a terminal: decisions, then the matrix of pairs, then remarks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 100
"""Characters of a line if the width of the terminal is unknown."""

MOST_REMARKS = 6
_HEADINGS = ("cell", "decision", "gain over no mixing", "excluded")


def cell_lines(lines: Sequence[Sequence[str]]) -> list[str]:
    """One line per cell, after a line of headings.

    Args:
        lines: name, decision, gain and exclusion of each cell.
    """
    return _aligned([_HEADINGS, *lines], "<" * len(_HEADINGS))


def at_margin(summary: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """The part of a summary at one of its margins.

    Raises:
        ValueError: when no verdicts are known at the margin.
    """
    found: dict[str, Any] | None = summary["by_margin"].get(f"{margin:g}")
    if found is None:
        known = ", ".join(summary["by_margin"])
        raise ValueError(
            f"verdicts are known at the margins {known}, but got {margin:g}; `lkm-tune report"
            f" --margin {margin:g}` makes them"
        )
    return found


def summary_lines(summary: Mapping[str, Any], margin: float, width: int = WIDTH) -> list[str]:
    """The whole answer.

    Args:
        summary: see `lkm_tune.transfer.report.summary`; it may have been read from JSON.
        margin: one of its margins.
        width: characters of a line.

    Raises:
        ValueError: when no verdicts are known at the margin.
    """
    found = at_margin(summary, margin)
    out = [*cell_lines(found["lines"]), "", *_wrapped(found["all"], width)]
    if found["matrix"]:
        out += ["", *_matrix([line[0] for line in found["lines"]], found)]
    elif sum(found["counts"].values()):
        told = ", ".join(f"{sign} {count}" for sign, count in found["counts"].items())
        out += ["", f"Ordered pairs of cells: {told}", found["legend"]]
    remarks = list(summary["remarks"])
    shown = remarks if len(remarks) <= MOST_REMARKS else remarks[: MOST_REMARKS - 1]
    if remarks:
        out.append("")
    for remark in shown:
        out += _wrapped(f"- {remark}", width, "  ")
    if len(shown) < len(remarks):
        out.append(f"- {len(remarks) - len(shown)} more remarks are in the report")
    return out


def _matrix(names: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    numbers = [str(i) for i in range(1, len(names) + 1)]
    rows = [
        [number, name, *fields]
        for number, name, fields in zip(numbers, names, found["matrix"], strict=True)
    ]
    head = ["", "γ from \\ used in", *numbers]
    title = "Does the γ of a row work in the cell of a column? It costs at most so many per cent."
    return [title, *_aligned([head, *rows], "><" + "<" * len(names)), found["legend"]]


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{text:{side}{width}}" for text, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
