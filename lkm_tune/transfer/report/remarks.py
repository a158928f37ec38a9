"""Remarks on runs that are left out, missing or suspicious, each once for all its cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.run_table import unfinished_cells
from lkm_tune.transfer.wording import count_text, listed


def table_warnings(
    checked: pd.DataFrame, cells: Sequence[CellCurve], answered: Collection[CellKey] = ()
) -> tuple[str, ...]:
    """Sentences on runs that are left out, missing or suspicious.

    Args:
        checked: the table of runs.
        cells: its fitted cells.
        answered: cells without a curve that have an answer (`fit.diverged`).
    """
    names = [*(cell.runs.name for cell in cells), *map(str, answered)]
    found = once(names, (note for cell in cells for note in cell.runs.notes))
    unfinished = unfinished_cells(checked, answered)
    found += once([*names, *(name for name, _ in unfinished)], map(": ".join, unfinished))
    scales = {cell.runs.scale for cell in cells}
    if len(scales) > 1:
        told = " | ".join(sorted(scale or "unknown" for scale in scales))
        found.append(
            f"γ is not on one scale in all cells ({told}): the same number means another"
            " strength, so regrets between them are not comparable."
        )
    grids = {tuple(cell.runs.gammas) for cell in cells}
    if len(grids) > 1:
        found.append("The cells were not all measured at the same γ; curves fill the gaps.")
    return tuple(found)


def once(names: Sequence[str], sentences: Iterable[str]) -> list[str]:
    """Merges sentences that begin with the name of a cell and a colon.

    Sentences may differ in brackets at their ends; the merged sentence has them beside the names.

    Args:
        names: names of all cells.
        sentences: sentences on single cells.
    """
    notes: dict[str, list[tuple[str, str]]] = {}
    for sentence in sentences:
        name = next((n for n in names if sentence.startswith(f"{n}: ")), "")
        said = sentence.removeprefix(f"{name}: ")
        text, figure = _WITH_FIGURE.fullmatch(said).groups() if name else (said, "")  # type: ignore[union-attr]
        notes.setdefault(text, []).append((name, figure or ""))
    return [_grouped(text, cells, len(names)) for text, cells in notes.items()]


_WITH_FIGURE = re.compile(r"(.*?)(?: \(((?:[^()]|\([^()]*\))*)\))?\.?", re.DOTALL)
"""A sentence, and what differs between cells: the brackets at its end."""


def _grouped(text: str, cells: Sequence[tuple[str, str]], of: int) -> str:
    """A note with the names of its cells, each with its figure if they differ."""
    names = [name for name, _ in cells]
    figures = {figure for _, figure in cells}
    who = f"{count_text(len(cells)).capitalize()} cells"
    if len(figures) > 1:
        who = "All cells" if len(cells) == of else who
        return f"{who}: {text}: {listed([f'{name} ({figure})' for name, figure in cells])}."
    ended = f"{text} ({figures.pop()})." if figures != {""} else text.removesuffix(".") + "."
    if len(cells) == 1:
        return f"{names[0]}: {ended}" if names[0] else ended
    return f"All cells: {ended}" if len(cells) == of else f"{who} ({listed(names)}): {ended}"
