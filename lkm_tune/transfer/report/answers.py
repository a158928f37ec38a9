"""The answer for each cell of a report, and what to be wary of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.prediction import Pool
from lkm_tune.transfer.fit.prediction_test import never_searched
from lkm_tune.transfer.fit.regret import fixed_regret
from lkm_tune.transfer.fit.run_table import unfinished_cells
from lkm_tune.transfer.report.answer import (
    PAPER_GAMMA,
    BestGamma,
    Shape,
    cell_sentence,
    predicted_answer,
)


def unsearched_answers(cells: Sequence[CellCurve], pool: Pool) -> tuple[BestGamma, ...]:
    """The predicted γ of each architecture with each task never searched together."""
    keys = never_searched([cell.runs.key for cell in cells])
    found = [(key, pool.predict(key)) for key in keys]
    return tuple(predicted_answer(key, p) for key, p in found if p is not None)


def finished_answer(cell: CellCurve, row: Mapping[Any, Any], margin: float) -> BestGamma:
    """The answer for a finished cell; `row` is that of its optimum with its details."""
    key, runs = cell.runs.key, cell.runs
    paper = fixed_regret(PAPER_GAMMA, cell, margin)
    best = BestGamma(
        model=key.model, task=key.task, depth=key.depth, n_train=key.n_train,
        gamma=row["gamma_best"], low=row["gamma_low"], high=row["gamma_high"],
        gain=row["gain"], gain_low=row["gain_low"], gain_high=row["gain_high"],
        gain_own_control=row["gain_own_control"],
        gain_own_control_low=row["gain_own_control_low"],
        gain_own_control_high=row["gain_own_control_high"],
        flat=row["flat"], at_edge=row["at_edge"], n_seeds=cell.seeds, unit=runs.unit,
        control_error=row["control_error"], best_error=row["best_error"],
        paper_regret=paper.value, paper_regret_low=paper.low, paper_regret_high=paper.high,
        sentence="", studies=tuple(sorted({study for study, _ in runs.seeds})),
    )  # fmt: skip
    shape = Shape(
        margin, row["flat_within_margin"], row["range_low"], row["range_high"],
        row["step"], runs.below, runs.above,
    )  # fmt: skip
    return replace(best, sentence=cell_sentence(best, shape))


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
