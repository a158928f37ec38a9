"""`lkm-tune run`: search, curves and report of a study; the same command again continues it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune.cli.options import set_option, storage_option, user_errors

if TYPE_CHECKING:
    from lkm_tune.search.engine import Ending
    from lkm_tune.search.folder import StudyFolder
    from lkm_tune.study import Study

DEFAULT_STUDY = "quickstart"
# Exit codes: 1 is click's own for errors of the user.
FAILURES = 2
INTERRUPTED = 130


@click.command()
@click.argument("study", default=DEFAULT_STUDY)
@storage_option
@click.option("--address", metavar="ADDR", help="A running Ray to join, as auto or HOST:6379.")
@click.option("--fresh", is_flag=True, help="Put earlier results of the study aside, start anew.")
@set_option
def run(
    study: str, storage: Path, address: str | None, fresh: bool, overrides: tuple[str, ...]
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
    with user_errors():
        _run(study, storage.expanduser().resolve(), address, fresh, overrides)


def _run(
    name: str, storage: Path, address: str | None, fresh: bool, overrides: tuple[str, ...]
) -> None:
    from lkm_tune.cli.catalog import make_catalog
    from lkm_tune.cli.console import console
    from lkm_tune.search.folder import StudyFolder
    from lkm_tune.search.lock import StudyHeldError, hold
    from lkm_tune.study import find_study, load_study
    from lkm_tune.tracking import tracking_uri
    from lkm_tune.tracking.experiments import retire_experiment

    study = load_study(find_study(name), make_catalog(), overrides)
    folder = StudyFolder(storage, study.name)
    try:
        with hold(folder.lock):
            if fresh and folder.study.exists():
                console.print(f"earlier results are kept in {folder.put_aside()}")
                retire_experiment(tracking_uri(storage), study.name)
            _settle(folder, study)
            ending = _search(study, folder, storage, address)
            _tell(ending, study, folder, storage)
    except StudyHeldError as error:
        raise click.ClickException(str(error)) from error


def _settle(folder: "StudyFolder", study: "Study") -> None:
    """Compares the study with what has been run under its name, and keeps it if they agree."""
    from lkm_tune.cli.console import console
    from lkm_tune.study import compare

    before = folder.read_study()
    if before is not None:
        change = compare(before, study)
        if change.mixes:
            differences = "\n  ".join(change.mixes)
            raise click.ClickException(
                f"study {study.name} in {folder.path} was run with other settings:\n"
                f"  {differences}\n"
                "Results of both cannot stand side by side. Give the study another name, or put "
                "the earlier results aside with --fresh."
            )
        for sentence in (*change.extends, *change.free):
            console.print(f"extended: {sentence}")
    folder.write_study(study)


def _search(
    study: "Study", folder: "StudyFolder", storage: Path, address: str | None
) -> "Ending":
    """Runs what is left on Ray; MLflow has it all when this returns, or is told to be behind."""
    from lkm_tune.cli.console import console
    from lkm_tune.cli.live import LiveView
    from lkm_tune.search.engine import Engine, connect
    from lkm_tune.tracking import StudyRecorder, tracking_uri
    from lkm_tune.tracking.callback import MlflowCallback

    engine = Engine(study, folder)
    recorder = StudyRecorder(study, folder.path, tracking_uri(storage), storage / "artifacts")
    try:
        recorder.catch_up(engine.ledger.all_records())
        if not engine.planner.finished:
            connect(address)
        ending = engine.run([MlflowCallback(recorder), LiveView(engine)])
        for cell, phase, settings in engine.planner.curves:
            recorder.curve_settings(cell, settings, phase)
        for cell in study.cells if ending.finished else ():
            recorder.finish_cell(cell)
    finally:
        behind = recorder.close()
    if behind:
        console.print(
            f"{behind} records could not be delivered to MLflow; they are kept in {folder.path}, "
            "and the same command again delivers them"
        )
    return ending


def _tell(ending: "Ending", study: "Study", folder: "StudyFolder", storage: Path) -> None:
    """The answer where there is one, what went wrong, and how to go on."""
    from lkm_tune.cli.answer import make_report, show_report
    from lkm_tune.cli.console import console
    from lkm_tune.tracking import ui_command

    again = f"lkm-tune run {study.name}"
    if not ending.finished and not ending.limit_reached:
        console.print(f"interrupted; the same command continues ({again})")
        raise SystemExit(INTERRUPTED)
    report = make_report(study, folder, storage, limit_reached=ending.limit_reached)
    show_report(report)
    console.print(f"report:  {folder.report / 'report.html'}")
    console.print(f"runs:    {ui_command(storage)}", soft_wrap=True)
    console.print(f"answers: lkm-tune best-gamma --storage {storage} --study {study.name}")
    if ending.limit_reached:
        console.print("a limit of the study ended it before its plan was done")
    for text in ending.without_curve:
        console.print(f"no trial of {text} was complete: there is no curve for it")
    for record in ending.failed:
        console.print(f"failed: {record.spec.key}\n{record.reason}")
    if ending.failed or ending.without_curve:
        raise SystemExit(FAILURES)
