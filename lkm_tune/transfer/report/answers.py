"""The answers for cells never searched, and the warnings of a report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lkm_tune.transfer.fit.answer import CellAnswer, predicted_answer
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.prediction import Pool
from lkm_tune.transfer.fit.prediction_test import never_searched
from lkm_tune.transfer.fit.run_table import unfinished_cells


def unsearched_answers(cells: Sequence[CellCurve], pool: Pool) -> tuple[CellAnswer, ...]:
    """The predicted γ of each architecture with each task never searched together."""
    keys = never_searched([cell.runs.key for cell in cells])
    found = [(key, pool.predict(key)) for key in keys]
    return tuple(predicted_answer(key, str(key), p) for key, p in found if p is not None)


def table_warnings(checked: pd.DataFrame, cells: Sequence[CellCurve]) -> tuple[str, ...]:
    """What was left out, is missing or looks wrong, in sentences."""
    found = [note for cell in cells for note in cell.runs.notes]
    found += unfinished_cells(checked)
    scales = {cell.runs.scale for cell in cells}
    if len(scales) > 1:
        listed = " | ".join(sorted(scale or "unknown" for scale in scales))
        found.append(
            f"γ is not on one scale in all cells ({listed}): the same number means another"
            " strength, so regrets between them compare unlike things."
        )
    grids = {tuple(cell.runs.gammas) for cell in cells}
    if len(grids) > 1:
        found.append("The cells were not all measured at the same γ; curves fill the gaps.")
    return tuple(found)
