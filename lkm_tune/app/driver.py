"""One driver of a study: it runs trials, mirrors them to MLflow and makes the report."""

import time
from pathlib import Path

from lkm_tune.app.diagnosis import draw_cells
from lkm_tune.app.events import Events
from lkm_tune.app.mirror import finish_cell, log_curves
from lkm_tune.app.printed import keep_last_lines
from lkm_tune.app.progress import progress_since
from lkm_tune.app.signs import keep_signs
from lkm_tune.app.study_report import report_of
from lkm_tune.app.study_result import StudyResult
from lkm_tune.search.engine import Ending, Engine
from lkm_tune.search.progress import Parts, Progress
from lkm_tune.search.watch import Watch
from lkm_tune.tracking import StudyRecorder, ui_command
from lkm_tune.transfer.fit.run_table import RunTableError
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.report.write import write_report

DELIVERY_SECONDS, CLOSING_SECONDS = 120.0, 30.0
"""Time that the end waits for a slow MLflow; an MLflow that is down is tried once."""

INTERRUPTED_SECONDS = 4.0
"""The same time after an interrupt: the user should not wait for MLflow."""


def drive(engine: Engine, recorder: StudyRecorder, storage: Path, events: Events) -> StudyResult:
    """Runs the rest of the plan and reports; `events` receives the records that MLflow lacks."""
    study, folder = engine.study, engine.folder
    patience = INTERRUPTED_SECONDS
    try:
        ending = _run_trials(engine, recorder, events)
        engine.ledger.interrupt()
        for cell, phase, settings in engine.planner.curves:
            recorder.curve_settings(cell, settings, phase)
        report = None
        if ending.finished or ending.limit:
            report = _close(engine, recorder, ending, storage, events)
            patience = CLOSING_SECONDS
        keep_signs(study, folder, report.signs if report else None)
    finally:
        if behind := recorder.close(patience):
            events.remark(
                f"MLflow lacks {behind} records, which {folder.path} keeps: when MLflow is back, "
                "the same command delivers them"
            )
    return StudyResult(
        name=study.name,
        folder=folder.path,
        finished=ending.finished,
        limit=ending.limit,
        failed=ending.failed,
        infeasible=ending.infeasible,
        without_curve=ending.without_curve,
        mlflow_command=ui_command(storage),
        report=report,
    )


def _run_trials(engine: Engine, recorder: StudyRecorder, events: Events) -> Ending:
    engine.ledger.listen(recorder)
    parts = Parts(engine.planner)
    engine.ledger.listen(parts)
    start, began = Progress.of(engine.planner), time.monotonic()

    def show() -> None:
        elapsed, plan = time.monotonic() - began, engine.planner
        events.progress(progress_since(plan, start, elapsed, parts, waiting=engine.waiting))

    with events.watching():
        watch = Watch(show, events.seconds_between_progress)
        return engine.run([watch])


def _close(
    engine: Engine, recorder: StudyRecorder, ending: Ending, storage: Path, events: Events
) -> TransferReport | None:
    """Makes the report of a study that has ended; None if no curve has a run."""
    study, folder = engine.study, engine.folder
    if study.curve.diagnostics:
        draw_cells(folder, events)
    report = None
    try:
        keep_last_lines(folder, (*ending.failed, *ending.infeasible), recorder)
    except OSError as error:
        events.remark(f"what failed trials printed cannot be read: {error}")
    try:
        report = report_of(study, storage, ended_by=ending.limit or "its plan")
    except RunTableError as error:
        events.remark(f"no report, since no curve has a run: {error}")
    else:
        write_report(report, folder.report)
        recorder.log_report(folder.report)
        log_curves(report, study, folder, recorder)
        events.report(report)
    for cell in study.cells:
        finish_cell(engine, recorder, cell)
    recorder.flush(timeout=DELIVERY_SECONDS)
    return report
