"""`lkm-tune run`: search, curves and report of a study; the same command continues it."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from lkm_tune import app
from lkm_tune.cli.options import FiniteRange, Verb, experiment_option, set_option, storage_option

if TYPE_CHECKING:
    from lkm_tune.app import StudyResult

DEFAULT_STUDY = "quickstart"
# Exit codes; click uses 1 for errors of the user.
FAILURES = 2
INTERRUPTED = 130


@contextmanager
def interruptible() -> Iterator[None]:
    """Ends with advice after Ctrl-C at any moment, also before trials and during the report."""
    try:
        yield
    except KeyboardInterrupt:
        _end_interrupted()


@click.command(cls=Verb)
@click.argument("study", default=DEFAULT_STUDY)
@storage_option
@click.option(
    "--address",
    metavar="ADDR",
    envvar="LKM_TUNE_ADDRESS",
    show_envvar=True,
    help="Address of a running Ray, such as auto or HOST:6379.",
)
@click.option(
    "--checkpoints",
    metavar="URI",
    envvar="LKM_TUNE_CHECKPOINTS",
    show_envvar=True,
    help="Object store for the files of trials if nodes share no folder: s3://BUCKET/PATH.",
)
@click.option(
    "--wait",
    metavar="MINUTES",
    type=FiniteRange(min=0),
    default=0.0,
    envvar="LKM_TUNE_WAIT",
    show_envvar=True,
    help="Request nodes of a cluster that adds nodes on demand; wait this long for the first.",
)
@click.option(
    "--fresh", is_flag=True, help="Set earlier results of the study aside and start again."
)
@experiment_option
@set_option
@interruptible()
def run(
    study: str,
    storage: Path,
    address: str | None,
    checkpoints: str | None,
    wait: float,
    fresh: bool,
    experiment: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run STUDY, a file or the name of a shipped study, and report.

    The same command continues an interrupted study. If its file now has more trials, seeds, γ,
    models or tasks, the command extends a finished study and repeats nothing.

    \b
    Examples:
      lkm-tune run quickstart
      lkm-tune run my_study.yaml --storage /data/lkm --address auto
      lkm-tune run quickstart --set search.trials=20 --set curve.seeds=[1,2,3,4]
    """
    from lkm_tune.cli.live import TerminalEvents

    if address and (copy := app.package_copy(storage)):
        _start_again_from(copy)
    result = app.run_study(
        study,
        storage,
        overrides=overrides,
        address=address,
        checkpoints=checkpoints,
        wait=wait,
        fresh=fresh,
        experiment=experiment,
        events=TerminalEvents(),
    )
    _tell(result, storage.expanduser().resolve())


def _start_again_from(copy: Path) -> NoReturn:
    """Replaces this process by the same command that imports the package from a copy."""
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(copy), *([others] if others else [])])
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _tell(result: "StudyResult", storage: Path) -> None:
    """Prints the places of the results, failed trials, and how to continue."""
    from lkm_tune.cli.console import say

    if result.interrupted:
        _end_interrupted()
    if result.page.exists():
        say(f"report: {result.page}")
    ask = ["lkm-tune", "best-gamma", "--storage", str(storage), "--study", result.name]
    say(f"runs in MLflow: {result.mlflow_command}")
    say(f"best γ: {shlex.join(ask)}")
    if result.limit:
        say(f"a limit ended the study: {result.limit}; a higher limit continues it")
    for record in result.infeasible:
        say(f"did not fit: {record.spec.key}\n{record.reason}")
    for cell in result.without_curve:
        say(f"{cell} has no complete trial and therefore no curve")
    for record in result.failed:
        say(f"failed: {record.spec.key}\n{record.reason}")
    if result.failed or result.without_curve:
        raise SystemExit(FAILURES)


def _end_interrupted() -> NoReturn:
    from lkm_tune.cli.console import say

    say("interrupted: the same command continues the study")
    raise SystemExit(INTERRUPTED)
