"""`TransferReport`: from a table of finished runs to tables, answers and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.transfer.analysis import compare, fit_cells, gain
from lkm_tune.transfer.answer import (
    PAPER_GAMMA,
    BestGamma,
    Question,
    Shape,
    cell_sentence,
    transfer_questions,
)
from lkm_tune.transfer.check import check_runs
from lkm_tune.transfer.files import write_text
from lkm_tune.transfer.optimum import CellCurve
from lkm_tune.transfer.page import render
from lkm_tune.transfer.plain import plain, records
from lkm_tune.transfer.regret import fixed_regret
from lkm_tune.transfer.runs import unfinished_cells
from lkm_tune.transfer.tables import agreement_table, curves_table, optima_table, regret_table

SCHEMA = "lkm-tune/transfer"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class TransferReport:
    """Whether γ transfers, as far as finished runs can tell.

    Attributes:
        margin: difference of the error, as a fraction, that does not matter.
        seed: of the posterior draws.
        curves: measured points and fitted curves (`tables.curves_table`).
        optima: the best γ of each cell (`tables.optima_table`).
        regret: every ordered pair of cells with its verdict (`tables.regret_table`).
        agreement: Kendall's τ of whole curves (`tables.agreement_table`).
        trials: every row that came in, search trials included.
        answers: the best γ of each cell with its sentence, in the order of `optima`.
        questions: what the pairs say along each axis.
        warnings: what was left out, is missing or looks wrong, in sentences.
        provenance: where the runs come from, as the caller gave it.
    """

    margin: float
    seed: int
    curves: pd.DataFrame
    optima: pd.DataFrame
    regret: pd.DataFrame
    agreement: pd.DataFrame
    trials: pd.DataFrame
    answers: tuple[BestGamma, ...]
    questions: tuple[Question, ...]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    @classmethod
    def from_runs(
        cls,
        runs: pd.DataFrame,
        margin: float = 0.01,
        seed: int = 0,
        provenance: Mapping[str, Any] | None = None,
    ) -> TransferReport:
        """Analyse a tidy table of runs.

        Args:
            runs: one row a run with the columns of `check.COLUMNS`. Optional: `phase` ("curve"
                rows enter, "control_curve" rows are γ = 0 at the control's own best settings,
                others are kept for the table of trials only), `unit`, `scale` (what fixes the
                scale of γ), `kd_ratio`, `val_mean_error` and `test_mean_error`.
            margin: difference of the error, as a fraction, that does not matter.
            seed: of the posterior draws; the same runs and seed give the same report.
            provenance: shown with the report (study digests, versions, devices, hours).

        Raises:
            RunTableError: naming all missing columns and wrong values.
            ValueError: when `margin` is not between 0 and 1.
        """
        if not 0 < margin < 1:
            raise ValueError(f"`0 < margin < 1` must hold (a fraction of the error), got {margin}")
        checked = check_runs(runs)
        cells = fit_cells(checked, seed)
        gains = [gain(cell, margin) for cell in cells]
        pairs = compare(cells, gains, margin)
        optima = optima_table(cells, gains, margin)
        answers = [
            _answer(cell, row, margin)
            for cell, row in zip(cells, optima.to_dict("records"), strict=True)
        ]
        return cls(
            margin, seed, curves_table(cells), optima, regret_table(pairs), agreement_table(cells),
            runs.reset_index(drop=True), tuple(answers), tuple(transfer_questions(pairs, margin)),
            _warnings(checked, cells), dict(provenance or {}),
        )  # fmt: skip

    def best_gamma(
        self, model: str, task: str, depth: int | None = None, n_train: int | None = None
    ) -> BestGamma:
        """The best γ of a finished cell.

        Args:
            model: architecture, matched without regard to case.
            task: task, matched without regard to case.
            depth: only cells of this depth; by default the depth with the lowest error.
            n_train: only cells of this sample size; by default the largest.

        Raises:
            LookupError: when no such cell is finished, naming those that are.
        """
        fits = [
            answer
            for answer in self.answers
            if answer.model.lower() == model.lower()
            and answer.task.lower() == task.lower()
            and depth in (None, answer.depth)
            and n_train in (None, answer.n_train)
        ]
        if not fits:
            wanted = f"{model} on {task}"
            wanted += "" if depth is None else f" with depth {depth}"
            wanted += "" if n_train is None else f" with {n_train} samples"
            finished = "; ".join(
                f"{a.model} on {a.task} (depth {a.depth}, {a.n_train} samples)"
                for a in self.answers
            )
            raise LookupError(
                f"No finished response curve of {wanted}. Finished: {finished or 'none'}."
            )
        return min(fits, key=lambda answer: (-answer.n_train, answer.best_error))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that is valid JSON (unknown numbers are None)."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "margin": self.margin,
            "seed": self.seed,
            "answers": [answer.to_dict() for answer in self.answers],
            "questions": [
                {"question": q.title, "answer": q.answer, "counts": q.counts}
                for q in self.questions
            ],
            "optima": records(self.optima),
            "regret": records(self.regret),
            "agreement": records(self.agreement),
            "warnings": list(self.warnings),
            "provenance": plain(dict(self.provenance)),
        }

    def write(self, folder: Path | str) -> dict[str, Path]:
        """Write the report, each file whole or not at all.

        Returns:
            The paths by name: report.html, transfer.json, curves.csv, regret.csv, trials.csv.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "report.html": render(self),
            "transfer.json": json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n",
            "curves.csv": self.curves.to_csv(index=False),
            "regret.csv": self.regret.to_csv(index=False),
            "trials.csv": self.trials.to_csv(index=False),
        }
        return {name: write_text(folder / name, text) for name, text in texts.items()}


def _answer(cell: CellCurve, row: Mapping[Any, Any], margin: float) -> BestGamma:
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
        sentence="",
    )  # fmt: skip
    shape = Shape(
        margin, row["flat_within_margin"], row["range_low"], row["range_high"],
        runs.below, runs.above,
    )  # fmt: skip
    return replace(best, sentence=cell_sentence(best, shape))


def _warnings(checked: pd.DataFrame, cells: Sequence[CellCurve]) -> tuple[str, ...]:
    found = [note for cell in cells for note in cell.runs.notes]
    found += [f"{name}: no response curve is finished yet." for name in unfinished_cells(checked)]
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
