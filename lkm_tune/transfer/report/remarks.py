"""Remarks on runs that are left out, missing or suspicious, each once for all its cells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

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
    names = [cell.runs.name for cell in cells]
    found = once(names, (note for cell in cells for note in cell.runs.notes))
    found += unfinished_cells(checked, answered)
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
    """Merges equal sentences that begin with the name of a cell and a colon.

    Args:
        names: names of all cells.
        sentences: sentences on single cells.
    """
    notes: dict[str, list[str]] = {}
    for sentence in sentences:
        name = next((n for n in names if sentence.startswith(f"{n}: ")), "")
        notes.setdefault(sentence.removeprefix(f"{name}: "), []).append(name)
    return _grouped(notes, len(names))


def _grouped(notes: Mapping[str, Sequence[str]], cells: int) -> list[str]:
    """Each note with the names of its cells."""
    found = []
    for note, names in notes.items():
        if len(names) == cells > 1:
            found.append(f"All cells: {note}")
        elif len(names) == 1:
            found.append(f"{names[0]}: {note}" if names[0] else note)
        else:
            found.append(f"{count_text(len(names)).capitalize()} cells ({listed(names)}): {note}")
    return found
