"""`TransferReport`: from a table of finished runs to tables, answers and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.transfer import SCHEMA_VERSION
from lkm_tune.transfer.fit.analysis import MARGIN, Pair, compare, fit_cells
from lkm_tune.transfer.fit.answer import CellAnswer, cell_answers, predicted_answer
from lkm_tune.transfer.fit.drivers import drivers_table
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.prediction import Pool
from lkm_tune.transfer.fit.prediction_test import like, never_searched, predictions_table
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.shared_gamma import SharedGamma, shared_gamma
from lkm_tune.transfer.fit.trouble import study_signs
from lkm_tune.transfer.fit.verdict import FALSE_DISCOVERY_RATE
from lkm_tune.transfer.json_data import plain, records
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
    """Whether γ transfers, as far as finished runs can tell.

    Attributes:
        margin: difference of the error, as a fraction, that does not matter.
        seed: of the posterior draws.
        curves: measured points and fitted curves (`tables.curves_table`).
        optima: the decision and the best γ of each cell (`tables.answer_tables`).
        details: what else is known of each cell (`tables.answer_tables`).
        regret: every ordered pair of cells with its verdict (`tables.regret_table`).
        agreement: Kendall's τ of whole curves (`tables.agreement_table`).
        predictions: the γ that other cells recommend, and what it costs
            (`predictions.predictions_table`).
        drivers: what moves the best γ (`drivers.drivers_table`).
        importance: what the search trials say on each setting, as the caller gave it.
        trials: every row that came in, search trials included.
        answers: all that is known of each cell, in the order of `optima`.
        unsearched: the predicted γ of each architecture with each task never searched together.
        pool: what the cells say on one that is not among them.
        pairs: every ordered pair of cells, with its verdicts at all margins.
        shared: the γ that costs least in the cell where it costs most, None where there is none.
        axes: how the pairs along each axis are decided (`tables.axes_table`).
        warnings: what was left out, is missing or looks wrong, in sentences.
        signs: signs of trouble with γ, in sentences with the γ to try next.
        pictures: PNG files of what is inside the networks, with their titles.
        provenance: where the runs come from, as the caller gave it.
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
        rate: float = FALSE_DISCOVERY_RATE,
    ) -> TransferReport:
        """Analyse a tidy table of runs.

        Args:
            runs: one row a run with the columns of `check.COLUMNS`. Optional: `phase` ("curve"
                rows enter, "control_curve" rows are γ = 0 at the control's own best settings,
                others are kept for the table of trials only), `unit`, `scale` (what fixes the
                scale of γ), `kd_ratio`, `val_mean_error` and `test_mean_error`, `protocol` and
                `protocol_text` (what makes runs comparable: only runs of equal protocol share a
                cell).
            margin: difference of the error, as a fraction, that does not matter.
            seed: of the posterior draws; the same runs and seed give the same report.
            provenance: shown with the report (study digests, versions, devices, hours).
            importance: shown with the drivers; columns `study, cell, setting, importance, trials`.
            pictures: PNG files by title, to be shown on the page.
            rate: largest false discovery rate of the verdicts.

        Raises:
            RunTableError: naming all missing columns and wrong values.
            ValueError: when `margin` is not between 0 and 1.
        """
        if not 0 < margin < 1:
            raise ValueError(f"`0 < margin < 1` must hold (a fraction of the error), got {margin}")
        checked = check_runs(runs)
        cells = fit_cells(checked, seed)
        pairs = compare(cells, margin, seed, rate)
        answers = cell_answers(cells, margin)
        optima, details = answer_tables(answers)
        pool = Pool(cells)
        return cls(
            margin=margin,
            seed=seed,
            curves=curves_table(cells),
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
            warnings=table_warnings(checked, cells),
            signs=tuple(once([a.name for a in answers], study_signs(checked, margin))),
            pictures=dict(pictures or {}),
            provenance=dict(provenance or {}),
        )

    @classmethod
    def load(cls, storage: Path | str, margin: float = MARGIN, seed: int = 0) -> TransferReport:
        """Analyse the finished runs of all studies of a storage folder together.

        The table of runs is made from the ledgers of the studies.

        Args:
            storage: the folder that studies were run with (`--storage`).
            margin: difference of the error, as a fraction, that does not matter.
            seed: of the posterior draws.

        Raises:
            FileNotFoundError: when no study has been run in the folder.
            RunTableError: when there is no finished run of a curve yet.
        """
        runs, provenance = finished_runs(Path(storage))
        return cls.from_runs(runs, margin=margin, seed=seed, provenance=provenance)

    def best_gamma(
        self, model: str, task: str, depth: int | None = None, n_train: int | None = None
    ) -> CellAnswer:
        """The answer of a finished cell, or of one never searched the γ to begin with.

        A cell of which neither the architecture nor the task was searched is predicted from all
        cells alike.

        Args:
            model: architecture, matched without regard to case.
            task: task, matched without regard to case.
            depth: only cells of this depth; by default the depth with the lowest error.
            n_train: only cells of this sample size; by default the largest.

        Raises:
            LookupError: when no cell is finished.
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
                f"No finished response curve of {model} on {task}, and none with two seeds and"
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
        """The report as plain data that is valid JSON (unknown numbers are None)."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "margin": self.margin,
            "seed": self.seed,
            "answers": [answer_record(answer) for answer in self.answers],
            "unsearched": [answer_record(answer) for answer in self.unsearched],
            "summary": self.summary(),
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
            "provenance": plain(dict(self.provenance)),
        }

    def summary(self) -> dict[str, Any]:
        """The answer as the texts that a terminal shows (`summary.summary`)."""
        remarks = (*self.warnings, *self.signs)
        return summary(self.answers, self.pairs, self.shared, self.margin, remarks)


def _unsearched(cells: Sequence[CellCurve], pool: Pool) -> tuple[CellAnswer, ...]:
    """The predicted γ of each architecture with each task never searched together."""
    keys = never_searched([cell.runs.key for cell in cells])
    found = [(key, pool.predict(key)) for key in keys]
    return tuple(predicted_answer(key, str(key), p) for key, p in found if p is not None)
