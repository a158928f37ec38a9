"""The answer as lines of a terminal: decisions, then the matrix of pairs, then remarks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from lkm_tune.transfer.wording import counted

WIDTH = 100
"""Characters of a line if the width of the terminal is unknown."""

LINES = 24
"""Lines of the answer, if the cells leave room for remarks."""

FEWEST_REMARK_LINES = 4
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
    if remarks := summary["remarks"]:
        out += ["", *_remarks(remarks, max(LINES - len(out) - 1, FEWEST_REMARK_LINES), width)]
    return out


def _remarks(remarks: Sequence[str], room: int, width: int) -> list[str]:
    """The first remarks, as many as the lines hold but at least one, and the number of the rest."""
    told = [_wrapped(f"- {remark}", width, "  ") for remark in remarks]
    if sum(map(len, told)) <= room:
        return [line for lines in told for line in lines]
    ends = accumulate(map(len, told))
    shown = max(sum(end < room for end in ends), 1)
    rest = counted(len(told) - shown, "more remark is", "more remarks are")
    return [line for lines in told[:shown] for line in lines] + [f"- {rest} in the report"]


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
