"""The command line: commands that call `lkm_tune.app`, and nothing else.

A command imports its dependencies when it runs: `lkm-tune --help` loads neither torch nor Ray.
"""

import os
import re
import sys
from pathlib import Path

import click

from lkm_tune import __version__, app
from lkm_tune.app.errors import sentence
from lkm_tune.cli.best_gamma import best_gamma
from lkm_tune.cli.catalog import models, tasks
from lkm_tune.cli.check import check
from lkm_tune.cli.diagnose import diagnose
from lkm_tune.cli.export import export
from lkm_tune.cli.listing import list_studies
from lkm_tune.cli.logs import logs
from lkm_tune.cli.predict import predict
from lkm_tune.cli.removal import remove
from lkm_tune.cli.report import report
from lkm_tune.cli.run import INTERRUPTED, run
from lkm_tune.cli.serve import serve
from lkm_tune.cli.status import status
from lkm_tune.cli.submit import submit
from lkm_tune.cli.task_data import data
from lkm_tune.cli.terminal import prepare_output
from lkm_tune.cli.train import train


def _version(context: click.Context, option: click.Parameter, asked: bool) -> None:
    """Prints the version and the digest of the code, to compare machines."""
    if asked:
        click.echo(f"lkm-tune {__version__}, code {app.package_digest()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version)
def cli() -> None:
    """Find the best strength γ of Layer-to-Layer Knowledge Mixing (LKM).

    \b
    Examples:
      lkm-tune run quickstart                  a small real study, a few minutes on 2 cores
      lkm-tune check my_study.yaml             errors, or what the study will cost
      lkm-tune best-gamma --model pamnet       the answer
    """


COMMANDS = (
    run, check, status, list_studies, report, best_gamma, train, export, predict, diagnose, logs,
    remove, models, tasks, data, serve, submit,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Runs `lkm-tune`; user errors end in one line and exit code 1, not in a traceback."""
    # The matrices of an analysis are small: several threads of OpenBLAS wait for each other, and a
    # report took twice the processor time. numpy reads this variable at its import by a verb.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_output()
    try:
        cli.main(arguments, prog_name="lkm-tune", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader closed the pipe. Without this, Python would report the error again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (OSError, MemoryError, RecursionError) as error:
        click.ClickException(sentence(error)).show()
        sys.exit(1)


def tune(version: str) -> None:
    """Runs `tune.py [STUDY] [options]`, which is the same as `lkm-tune run`.

    A script `tune-NAME.py` keeps its studies in the folder NAME of the storage folder. `ray submit`
    copies the script into the home folder of the one user of a cluster, so people who share that
    user need different scripts.

    Args:
        version: the version of lkm-tune in the script.
    """
    if version != __version__:
        click.echo(
            f"Error: {sys.argv[0]} belongs to lkm-tune {version}, but {__version__} is installed "
            "here. On the machine that sent it, in the folder of the checkout:\n"
            "  ray up cluster/config.yaml\nand submit again.",
            err=True,
        )
        sys.exit(1)
    _, named, person = Path(sys.argv[0]).stem.partition("-")
    if named:
        if not re.fullmatch(r"\w[\w.-]*", person):
            message = "must be tune-NAME.py, where NAME has letters, digits, -, _ and ."
            click.echo(f"Error: the name of {sys.argv[0]} {message}", err=True)
            sys.exit(1)
        storage = Path(os.environ.get("LKM_TUNE_STORAGE") or "lkm-runs")
        # A study on a cluster starts the script twice (see `run`).
        if storage.name != person:
            os.environ["LKM_TUNE_STORAGE"] = str(storage / person)
    main(["run", *sys.argv[1:]])
