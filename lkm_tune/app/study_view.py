"""Everything that a page shows of one study, from one reading of its files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lkm_tune.app.errors import LkmTuneError, sound, user_errors
from lkm_tune.app.finished_answers import stored_report
from lkm_tune.app.listing import ListedStudy, listed
from lkm_tune.app.status import status_of
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study
from lkm_tune.datasets import find_task
from lkm_tune.ledger.run_table import COLUMNS, rows_of
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import Cell, Study

SHOWN_LETTERS = 1000
"""Longest shown reason of a failure."""


@dataclass(frozen=True)
class LiveCurve:
    """The ended curve points of one cell.

    Attributes:
        cell: name of the cell.
        outcome: the shown error: `test_error`, or `val_error` if a run has no test error.
        unit: unit of the errors.
        gammas: the γ of the plan.
        runs: γ, seed and error of each complete run.
        diverged: γ at which training diverges.
        answer: the answer of the last report for this cell, as in `transfer.json`; None without.
    """

    cell: str
    outcome: str
    unit: str
    gammas: tuple[float, ...]
    runs: tuple[tuple[float, int, float], ...]
    diverged: tuple[float, ...]
    answer: dict[str, Any] | None


@dataclass(frozen=True)
class BrokenTrial:
    """A trial that failed, did not fit into memory, or had a broken attempt.

    Attributes:
        trial: its name, as `lkm-tune logs` takes it.
        cell: name of its cell.
        state: its state.
        reason: the reason, shortened.
        attempts: number of broken attempts.
    """

    trial: str
    cell: str
    state: str
    reason: str
    attempts: int


@dataclass(frozen=True)
class StudyView:
    """A study as a page shows it.

    Attributes:
        listed: its status with its decision.
        experiment: the name of its MLflow experiment; "" before its first run.
        curves: the curve of each cell.
        broken: its broken trials, newest first.
        report: the last report, as in `transfer.json`; None without one.
    """

    listed: ListedStudy
    experiment: str
    curves: tuple[LiveCurve, ...]
    broken: tuple[BrokenTrial, ...]
    report: dict[str, Any] | None


def view_study(study: StudyLike, storage: Storage = "lkm-runs") -> StudyView:
    """Everything that a page shows of a study; its ledger is read once and nothing is fitted.

    Raises:
        LkmTuneError: if the study has not run in the storage folder, or a file of it is damaged.
    """
    place = storage_path(storage)
    with user_errors():
        kept, folder = stored_study(place, study)
        trials = StudyTrials.read(kept, folder.ledger)
        status = status_of(kept, folder, trials)
        damage: list[str] = []
        identity = sound(lambda: StudyIdentity.read(folder.path, kept.name), None, damage)
        report = sound(lambda: stored_report(place, kept.name), None, damage)
        status = replace(status, signs=(*damage, *status.signs))
        curves = tuple(_curve(kept, cell, trials, report) for cell in kept.cells)
        return StudyView(
            listed=listed(place, kept.name, status),
            experiment=identity.experiment if identity else "",
            curves=curves,
            broken=tuple(_broken(trials)),
            report=report,
        )


def study_rows(study: StudyLike, storage: Storage = "lkm-runs") -> list[dict[str, Any]]:
    """The table of runs of a study, one dictionary a run (`ledger.run_table.COLUMNS`).

    Raises:
        LkmTuneError: if the study has not run in the storage folder, or a file of it is damaged.
    """
    with user_errors():
        _, folder = stored_study(storage_path(storage), study)
        return rows_of(folder)


def run_columns() -> dict[str, str]:
    """The columns of the table of runs, each with its type; columns of searched settings follow."""
    return dict(COLUMNS)


def report_file(study: StudyLike, name: str, storage: Storage = "lkm-runs") -> bytes:
    """The content of a file of a study's report.

    Raises:
        LkmTuneError: if there is no such file; the error names the existing files.
    """
    with user_errors():
        _, folder = stored_study(storage_path(storage), study)
        names = report_files(folder)
        if name not in names:
            known = ", ".join(names) or "none"
            raise LkmTuneError(f"the report has no file {name}; there are: {known}")
        return (folder.report / name).read_bytes()


def report_files(folder: StudyFolder) -> list[str]:
    """The names of the files of a report."""
    return sorted(path.name for path in folder.report.glob("*") if path.is_file())


def draw_curve(curve: LiveCurve) -> str:
    """The SVG of a cell; "" before its first complete curve point."""
    from lkm_tune.transfer.report.live_svg import Advice, live_svg

    told = curve.answer and Advice(
        curve.answer["recommended"], curve.answer["gamma_low"], curve.answer["gamma_high"]
    )
    kind = "test error" if curve.outcome == "test_error" else "validation error"
    label = f"{kind} / {curve.unit}" if curve.unit else kind
    return live_svg(curve.gammas, curve.runs, curve.diverged, label, told or None)


def page_style() -> str:
    """The style sheet of the report, which other pages share."""
    from lkm_tune.transfer.report.style import style_sheet

    return style_sheet()


def _curve(
    study: Study, cell: Cell, trials: StudyTrials, report: dict[str, Any] | None
) -> LiveCurve:
    old = {id(record) for record in trials.superseded}
    points = [record for record in trials.records(cell, "curve") if id(record) not in old]
    complete = [record for record in points if record.state == "complete"]
    tested = all(record.summary.get("test_error") is not None for record in complete)
    outcome = "test_error" if tested else "val_error"
    runs = [
        (float(record.spec.settings["gamma"]), record.spec.seed, record.summary[outcome])
        for record in complete
        if record.summary.get(outcome) is not None
    ]
    return LiveCurve(
        cell=str(cell),
        outcome=outcome,
        unit=find_task(cell.task, study.data_plan(cell.task)).unit,
        gammas=study.curve.gammas,
        runs=tuple(runs),
        diverged=tuple(
            sorted({float(r.spec.settings["gamma"]) for r in points if r.state == "diverged"})
        ),
        answer=next((a for a in (report or {}).get("answers", ()) if _is_of(a, cell)), None),
    )


def _is_of(answer: dict[str, Any], cell: Cell) -> bool:
    """Whether an answer is that of a cell of the same study."""
    depth = dict(cell.compared).get("depth", answer["depth"])
    named = (answer["model"], answer["task"], answer["n_train"], answer["depth"])
    return named == (cell.variant, cell.task, cell.n_train, depth)


def _broken(trials: StudyTrials) -> Iterator[BrokenTrial]:
    for record in reversed(trials.all_records()):
        if record.state in ("failed", "infeasible") or record.failures:
            reason = record.reason or (record.failures[-1].reason if record.failures else "")
            yield BrokenTrial(
                trial=record.spec.key,
                cell=str(record.spec.cell),
                state=record.state,
                reason=reason[-SHOWN_LETTERS:],
                attempts=len(record.failures),
            )
