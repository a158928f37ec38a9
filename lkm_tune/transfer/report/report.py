"""`TransferReport`: from a table of finished runs to tables, answers and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.transfer import SCHEMA_VERSION
from lkm_tune.transfer.fit.analysis import MARGIN, Pair, compare, fit_cells
from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.cell_answers import cell_answers, predicted_answer
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.diverged import diverged_answers, diverged_curve
from lkm_tune.transfer.fit.drivers import drivers_table
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.prediction import Pool
from lkm_tune.transfer.fit.prediction_test import like, never_searched, predictions_table
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.shared_gamma import SharedGamma, shared_gamma
from lkm_tune.transfer.fit.trouble import study_signs
from lkm_tune.transfer.fit.verdict import FALSE_DISCOVERY_RATE
from lkm_tune.transfer.json_data import json_value, records
from lkm_tune.transfer.report.curve_svg import curve_svg
from lkm_tune.transfer.report.remarks import once, table_warnings
from lkm_tune.transfer.report.stored_runs import finished_runs
from lkm_tune.transfer.report.summary import answer_record, summary
from lkm_tune.transfer.report.tables import (
    agreement_table,
    answer_tables,
    axes_table,
    curves_table,
    regret_table,
)

SCHEMA = "lkm-tune/transfer"
IMPORTANCE = ("study", "cell", "setting", "importance", "trials")


@dataclass(frozen=True)
class TransferReport:
    """Whether γ transfers, from finished runs.

    Attributes:
        margin: difference of the error, as a fraction, that does not matter.
        seed: seed of the posterior draws.
        curves: measured points and fitted curves (`tables.curves_table`).
        optima: the decision and the best γ of each cell (`tables.answer_tables`).
        details: further figures of each cell (`tables.answer_tables`).
        regret: every ordered pair of cells with its verdict (`tables.regret_table`).
        agreement: Kendall's τ of whole curves (`tables.agreement_table`).
        predictions: the γ that other cells recommend, and its cost
            (`prediction_test.predictions_table`).
        drivers: effects of properties of cells on the best γ (`drivers.drivers_table`).
        importance: importance of each setting in the search, from the caller.
        trials: every row of the input, including search trials.
        answers: the answer of each cell, in the order of `optima`.
        unsearched: the predicted γ of each architecture and task without a common search.
        pool: the cells as a source of predictions.
        pairs: every ordered pair of cells, with its verdicts at all margins.
        shared: the γ whose cost in its worst cell is smallest; None if unknown.
        axes: numbers of verdicts along each axis (`tables.axes_table`).
        warnings: sentences on runs that are left out, missing or suspicious.
        signs: signs of trouble with γ, in sentences with the γ to try next.
        pictures: title -> PNG file of the layers of networks.
        printed: trial -> last lines of its output, for failed trials.
        provenance: provenance of the runs, from the caller.
    """

    margin: float
    seed: int
    curves: pd.DataFrame
    optima: pd.DataFrame
    details: pd.DataFrame
    regret: pd.DataFrame
    agreement: pd.DataFrame
    predictions: pd.DataFrame
    drivers: pd.DataFrame
    importance: pd.DataFrame
    trials: pd.DataFrame
    answers: tuple[CellAnswer, ...]
    unsearched: tuple[CellAnswer, ...]
    pool: Pool
    pairs: tuple[Pair, ...]
    shared: SharedGamma | None
    axes: pd.DataFrame
    warnings: tuple[str, ...]
    signs: tuple[str, ...]
    pictures: Mapping[str, Path]
    printed: Mapping[str, str]
    provenance: Mapping[str, Any]

    @classmethod
    def from_runs(
        cls,
        runs: pd.DataFrame,
        margin: float = MARGIN,
        seed: int = 0,
        provenance: Mapping[str, Any] | None = None,
        importance: pd.DataFrame | None = None,
        pictures: Mapping[str, Path] | None = None,
        printed: Mapping[str, str] | None = None,
        rate: float = FALSE_DISCOVERY_RATE,
    ) -> TransferReport:
        """Analyse a tidy table of runs.

        Args:
            runs: one row per run with the columns of `run_table.COLUMNS`. Optional columns: `phase`
                ("curve": used in the analysis; "control_curve": γ = 0 at the best settings of the
                control; others: only in the table of trials), `unit`, `scale` (the scale of γ),
                `kd_ratio`, `val_mean_error` and `test_mean_error`, `protocol` and `protocol_text`
                (only runs of equal protocol share a cell),
                `until` ("decided": looks at the results chose which γ get more seeds, so a γ may
                lack seeds without a note on missing runs).
            margin: difference of the error, as a fraction, that does not matter.
            seed: seed of the posterior draws; the same runs and seed give the same report.
            provenance: shown with the report (study digests, versions, devices, hours).
            importance: shown with the drivers; columns `study, cell, setting, importance, trials`.
            pictures: title -> PNG file, for the page.
            printed: trial -> last lines of its output, for failed trials.
            rate: largest false discovery rate of the verdicts.

        Raises:
            RunTableError: if columns are missing or values are wrong; the error lists all of them.
            ValueError: if `margin` is not between 0 and 1.
        """
        if not 0 < margin < 1:
            raise ValueError(f"`0 < margin < 1` must hold (a fraction of the error), got {margin}")
        checked = check_runs(runs)
        cells = fit_cells(checked, seed)
        pairs = compare(cells, margin, seed, rate)
        answers = cell_answers(cells, margin)
        diverged = diverged_answers(checked, margin)
        answers = tuple(sorted((*answers, *diverged), key=lambda answer: answer.key.order))
        optima, details = answer_tables(answers)
        pool = Pool(cells)
        harmed = {answer.key for answer in answers if answer.harm_start > 0}
        affected = {answer.key for answer in answers if answer.gain_low > 0 or answer.harm_low > 0}
        signs = study_signs(checked, margin, harmed, affected)
        return cls(
            margin=margin,
            seed=seed,
            curves=curves_table(cells, [r for a in diverged for r in diverged_curve(checked, a)]),
            optima=optima,
            details=details,
            regret=regret_table(pairs),
            agreement=agreement_table(cells),
            predictions=predictions_table(cells, pool, margin),
            drivers=drivers_table(optima),
            importance=pd.DataFrame(columns=IMPORTANCE) if importance is None else importance,
            trials=runs.reset_index(drop=True),
            answers=answers,
            unsearched=_unsearched(cells, pool),
            pool=pool,
            pairs=pairs,
            shared=shared_gamma(cells),
            axes=axes_table(pairs, margin),
            warnings=table_warnings(checked, cells, [answer.key for answer in diverged]),
            signs=tuple(once([a.name for a in answers], signs)),
            pictures=dict(pictures or {}),
            printed=dict(printed or {}),
            provenance=dict(provenance or {}),
        )

    @classmethod
    def load(cls, storage: Path | str, margin: float = MARGIN, seed: int = 0) -> TransferReport:
        """Analyse the finished runs of all studies of a storage folder together.

        The ledgers of the studies give the table of runs.

        Args:
            storage: the storage folder (`--storage`).
            margin: difference of the error, as a fraction, that does not matter.
            seed: seed of the posterior draws.

        Raises:
            FileNotFoundError: if no study has run in the folder.
            RunTableError: if no run of a curve has finished.
        """
        runs, provenance = finished_runs(Path(storage))
        return cls.from_runs(runs, margin=margin, seed=seed, provenance=provenance)

    def best_gamma(
        self, model: str, task: str, depth: int | None = None, n_train: int | None = None
    ) -> CellAnswer:
        """The answer of a finished cell, or a prediction for a cell without a search.

        If neither the architecture nor the task was searched, all cells predict with equal weights.

        Args:
            model: architecture, matched without regard to case.
            task: task, matched without regard to case.
            depth: only cells of this depth; by default the depth with the lowest error.
            n_train: only cells of this sample size; by default the largest.

        Raises:
            LookupError: if no cell is finished.
        """
        fits = [
            answer
            for answer in self.answers
            if answer.model.lower() == model.lower()
            and answer.task.lower() == task.lower()
            and depth in (None, answer.depth)
            and n_train in (None, answer.n_train)
        ]
        if fits:
            return min(fits, key=lambda answer: (-answer.n_train, answer.error))
        return self._predicted(model, task, depth, n_train)

    def _predicted(
        self, model: str, task: str, depth: int | None, n_train: int | None
    ) -> CellAnswer:
        keys = self.pool.keys
        if not keys:
            finished = "; ".join(answer.name for answer in self.answers)
            raise LookupError(
                f"No finished response curve of {model} on {task}, and no other with two seeds and"
                f" enough γ to predict one from. Finished: {finished or 'none'}."
            )
        models = {key.model.lower(): key.model for key in keys}
        tasks = {key.task.lower(): key.task for key in keys}
        key = like(keys, models.get(model.lower(), model), tasks.get(task.lower(), task))
        if depth is not None:
            key = key._replace(depth=depth)
        if n_train is not None:
            key = key._replace(n_train=n_train)
        found = self.pool.predict(key)
        if found is None:
            raise LookupError(f"No other cell to predict {key} from.")
        return predicted_answer(key, str(key), found)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data (unknown numbers are None)."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "margin": self.margin,
            "seed": self.seed,
            "answers": [answer_record(answer) for answer in self.answers],
            "unsearched": [answer_record(answer) for answer in self.unsearched],
            "summary": self.summary,
            "axes": records(self.axes),
            "optima": records(self.optima),
            "details": records(self.details),
            "regret": records(self.regret),
            "agreement": records(self.agreement),
            "predictions": records(self.predictions),
            "drivers": records(self.drivers),
            "importance": records(self.importance),
            "warnings": list(self.warnings),
            "signs": list(self.signs),
            "provenance": json_value(dict(self.provenance)),
        }

    @cached_property
    def figures(self) -> Mapping[CellKey, str]:
        """The figure of each cell, as SVG (`curve_svg`); page, sheet and MLflow share them."""
        curves = dict(list(self.curves.groupby(list(CellKey._fields))))
        return {answer.key: curve_svg(curves[tuple(answer.key)], answer) for answer in self.answers}

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The answer as texts for a terminal (`summary.summary`)."""
        remarks = (*self.warnings, *self.signs)
        return summary(self.answers, self.pairs, self.shared, self.margin, remarks)


def _unsearched(cells: Sequence[CellCurve], pool: Pool) -> tuple[CellAnswer, ...]:
    """The predicted γ of each architecture and task without a common search."""
    keys = never_searched([cell.runs.key for cell in cells])
    found = [(key, pool.predict(key)) for key in keys]
    return tuple(predicted_answer(key, str(key), p) for key, p in found if p is not None)
