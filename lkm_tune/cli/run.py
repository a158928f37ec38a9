"""`lkm-tune run`: search, curves and report of a study; the same command again continues it."""

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from lkm_tune.cli.breaks import tell_interrupted, told_when_broken_off, told_when_interrupted
from lkm_tune.cli.options import set_option, storage_option, user_errors

if TYPE_CHECKING:
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.search.engine import Ending, Engine
    from lkm_tune.study import Cell, Study
    from lkm_tune.tracking import StudyRecorder
    from lkm_tune.transfer import TransferReport

DEFAULT_STUDY = "quickstart"
# Exit codes: 1 is click's own for errors of the user.
FAILURES = 2
# How long the end waits for a slow MLflow to have everything; one that is down is tried once.
DELIVERY_SECONDS, CLOSING_SECONDS = 120.0, 30.0
# Who interrupts a study does not wait for an MLflow that does not answer.
INTERRUPTED_SECONDS = 4.0


@click.command()
@click.argument("study", default=DEFAULT_STUDY)
@storage_option
@click.option(
    "--address",
    metavar="ADDR",
    envvar="LKM_TUNE_ADDRESS",
    show_envvar=True,
    help="A running Ray to join, as auto or HOST:6379.",
)
@click.option(
    "--checkpoints",
    metavar="URI",
    envvar="LKM_TUNE_CHECKPOINTS",
    show_envvar=True,
    help="Object store for the files of trials, as s3://BUCKET/PATH, where nodes share no folder.",
)
@click.option(
    "--wait",
    metavar="MINUTES",
    type=click.FloatRange(min=0),
    default=0.0,
    envvar="LKM_TUNE_WAIT",
    show_envvar=True,
    help="On a cluster that adds nodes by demand: ask for them, the first within this time.",
)
@click.option("--fresh", is_flag=True, help="Put earlier results of the study aside, start anew.")
@set_option
@told_when_interrupted()
def run(
    study: str,
    storage: Path,
    address: str | None,
    checkpoints: str | None,
    wait: float,
    fresh: bool,
    overrides: tuple[str, ...],
) -> None:
    """Run STUDY, a file or the name of a shipped study, and report.

    The same command again continues what was interrupted. A finished study whose file asks for
    more (trials, seeds, γ points, models, tasks) is extended, not repeated.

    \b
    Examples:
      lkm-tune run quickstart
      lkm-tune run my_study.yaml --storage /data/lkm --address auto
      lkm-tune run quickstart --set search.trials=20 --set curve.seeds=[1,2,3,4]
    """
    from lkm_tune.cli.catalog import make_catalog
    from lkm_tune.ledger.lock import hold
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.search.cluster.auth import choose_auth_mode
    from lkm_tune.study import find_study, load_study

    # What a study writes, trials on this machine included, is its user's alone.
    if os.environ.get("LKM_TUNE_SHARED") != "1":
        os.umask(0o077)
    choose_auth_mode(address)
    # This imports Ray, which reads the mode then.
    from lkm_tune.cli.prepare import prepare

    storage = storage.expanduser().resolve()
    with user_errors():
        loaded = load_study(find_study(study), make_catalog(), overrides)
    folder = StudyFolder(storage, loaded.name, checkpoints)
    with told_when_broken_off(folder.path), hold(folder.lock):
        engine = prepare(loaded, folder, storage, address, wait, fresh)
        ending = _search(engine, storage)
        _tell(ending, loaded, folder, storage)


def _search(engine: "Engine", storage: Path) -> "Ending":
    """Runs what is left and reports; MLflow has it all when this returns, or is said not to."""
    from lkm_tune.cli.console import say
    from lkm_tune.cli.live import LiveView
    from lkm_tune.search.watch import Watch
    from lkm_tune.tracking import StudyRecorder, tracking_uri

    study, folder = engine.study, engine.folder
    recorder = StudyRecorder(
        study,
        folder.path,
        tracking_uri(storage),
        storage / "artifacts",
        facts=folder.read_facts(),
    )
    patience = INTERRUPTED_SECONDS
    try:
        engine.ledger.listen(recorder)
        with LiveView(engine.planner) as view:
            watch = Watch(view.show, view.seconds)
            ending = engine.run([watch])
        _close(engine, recorder, ending, storage)
        if ending.finished or ending.limit:
            patience = CLOSING_SECONDS
    finally:
        if behind := recorder.close(patience):
            say(
                f"MLflow has not got {behind} records, which are kept in {folder.path}: once it "
                "is there, the same command again delivers them"
            )
    return ending


def _close(engine: "Engine", recorder: "StudyRecorder", ending: "Ending", storage: Path) -> None:
    """Tells MLflow how things stand, and reports if the study has ended."""
    from lkm_tune.cli.answer import make_report, show_report
    from lkm_tune.cli.console import say
    from lkm_tune.cli.diagnose import draw_cells
    from lkm_tune.transfer.fit.run_table import RunTableError

    study, folder = engine.study, engine.folder
    engine.ledger.interrupt()
    for cell, phase, settings in engine.planner.curves:
        recorder.curve_settings(cell, settings, phase)
    if not (ending.finished or ending.limit):
        return
    if study.curve.diagnostics:
        draw_cells(folder)
    try:
        report = make_report(study, storage, ended_by=ending.limit or "its plan")
    except RunTableError as error:
        say(f"no report, since no curve has a run: {error}")
    else:
        report.write(folder.report)
        recorder.log_report(folder.report)
        _log_curves(report, study, folder, recorder)
        show_report(report)
    for cell in study.cells:
        _finish_cell(engine, recorder, cell)
    recorder.flush(timeout=DELIVERY_SECONDS)


def _log_curves(
    report: "TransferReport", study: "Study", folder: "StudyFolder", recorder: "StudyRecorder"
) -> None:
    """Every cell's run gets what its curve says, in words and as a page."""
    from lkm_tune.tracking.notes import CURVE
    from lkm_tune.transfer.report.cell_page import cell_pages

    for page in cell_pages(report):
        cell = study.find_cell(*page.key[:4])
        place = folder.cells / cell.key
        place.mkdir(parents=True, exist_ok=True)
        (place / CURVE).write_text(page.html, encoding="utf-8")
        recorder.log_curve(cell, place, page.sentence)


def _finish_cell(engine: "Engine", recorder: "StudyRecorder", cell: "Cell") -> None:
    """A cell's run ends with its best network, and with figures to compare cells by."""
    from lkm_tune.datasets import find_task

    metrics = {}
    if best := engine.best_model(cell):
        trial, file = best
        summary = engine.ledger.record(trial).summary
        metrics = {f"best/{name}": summary[name] for name in ("val_error", "test_error")}
        metrics["best/gamma"] = trial.settings["gamma"]
        task = find_task(cell.task, engine.study.data_plan(cell.task))
        inputs = "nodes" if task.classes else "atoms" if task.geometry else "smiles"
        unit = "class" if task.classes else task.unit
        recorder.log_model(trial, file, inputs, f"{cell.task} [{unit}]")
    recorder.finish_cell(cell, metrics)


def _tell(ending: "Ending", study: "Study", folder: "StudyFolder", storage: Path) -> None:
    """Where everything lies, what went wrong, and how to go on."""
    from lkm_tune.cli.console import say
    from lkm_tune.tracking import ui_command

    if not ending.finished and not ending.limit:
        tell_interrupted()
    page = folder.report / "report.html"
    lines = {
        **({"report": str(page)} if page.exists() else {}),
        "runs in MLflow": ui_command(storage),
        "best γ": f"lkm-tune best-gamma --storage {quote(str(storage))} --study {study.name}",
    }
    for name, text in lines.items():
        say(f"{name}: {text}")
    if ending.limit:
        say(f"ended by a limit before its plan was done: {ending.limit}; a higher one continues it")
    for record in ending.infeasible:
        say(f"did not fit: {record.spec.key}\n{record.reason}")
    for text in ending.without_curve:
        say(f"no trial of {text} was complete: there is no curve for it")
    for record in ending.failed:
        say(f"failed: {record.spec.key}\n{record.reason}")
    if ending.failed or ending.without_curve:
        raise SystemExit(FAILURES)
