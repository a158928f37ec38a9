"""The answer as lines of a terminal: decisions, then the matrix of pairs, then remarks."""

from __future__ import annotations

import re
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

_QUESTION = "Does the γ of a row work in the cell of a column? It costs at most so many %."

_SHORTER = {
    r"^mixing not needed": "not needed",
    r"^undecided: .*, best": "undecided, best",
    r", best guess \S+;": ";",
    "best guess": "guess",
    r"^more than (.*) above the best$": r"cost above \1",
    "^a gain": "gain",
}
"""Words of a line on a cell -> fewer words, for narrow terminals."""

_SHORTEST_NAME = 8
"""Fewest characters of the name of a cell."""


def cell_lines(lines: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """One line per cell, after a line of headings; no line is longer than the width.

    Narrow terminals get fewer words, then fewer columns, and the middle of long names is left out.

    Args:
        lines: name, decision, gain and exclusion of each cell.
        width: characters of a line.
    """
    table: list[Sequence[str]] = [_HEADINGS, *lines]
    if _width(table) > width:
        table = [[name, *map(_shorter, fields)] for name, *fields in table]
    while (
        len(table[0]) > 2 and _width([fields[1:] for fields in table]) > width - _SHORTEST_NAME - 2
    ):
        table = [fields[:-1] for fields in table]
    room = max(width - _width([["", *fields] for _, *fields in table]), _SHORTEST_NAME)
    return _aligned([[_cut(name, room), *fields] for name, *fields in table], "<" * len(table[0]))


def _shorter(said: str) -> str:
    for words, fewer in _SHORTER.items():
        said = re.sub(words, fewer, said)
    return said


def _cut(name: str, room: int) -> str:
    """A name without its middle if it is too long: its ends tell it from others."""
    if len(name) <= room:
        return name
    return f"{name[: room // 2]}…{name[len(name) - (room - 1 - room // 2) :]}"


def _width(table: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) + 2 for column in zip(*table, strict=True)) - 2


def at_margin(summary: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """The part of a summary at one of its margins.

    Raises:
        ValueError: when no verdicts are known at the margin.
    """
    found: dict[str, Any] | None = summary["by_margin"].get(f"{margin:g}")
    if found is None:
        known = ", ".join(sorted(summary["by_margin"], key=float))
        raise ValueError(f"verdicts are known at the margins {known}, but got {margin:g}")
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
    out = [*cell_lines(found["lines"], width), "", *_wrapped(found["all"], width)]
    matrix = _matrix([line[0] for line in found["lines"]], found, width)
    if max(map(len, matrix), default=width + 1) <= width:
        out += ["", *_wrapped(_QUESTION, width), *matrix, *_wrapped(found["legend"], width)]
    elif sum(found["counts"].values()):
        told = ", ".join(f"{sign} {count}" for sign, count in found["counts"].items())
        told = f"Ordered pairs of cells: {told}"
        out += ["", *_wrapped(told, width), *_wrapped(found["legend"], width)]
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


def _matrix(names: Sequence[str], found: Mapping[str, Any], width: int) -> list[str]:
    """The rows of the matrix, none without one; long names lose their middle."""
    if not found["matrix"]:
        return []
    numbers = [str(i) for i in range(1, len(names) + 1)]
    head = ["", "γ from \\ used in", *numbers]
    fields = [
        head,
        *([number, "", *row] for number, row in zip(numbers, found["matrix"], strict=True)),
    ]
    room = max(width - _width([[row[0], "", *row[2:]] for row in fields]), len(head[1]))
    for row, name in zip(fields[1:], names, strict=True):
        row[1] = _cut(name, room)
    return _aligned(fields, "><" + "<" * len(names))


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
