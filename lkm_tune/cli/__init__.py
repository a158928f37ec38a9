"""The command line: verbs over the library, and nothing else.

What a verb needs is imported when it runs: `lkm-tune --help` loads neither torch nor Ray.
"""

import sys
from pathlib import Path

import click

from lkm_tune import __version__
from lkm_tune.cli.answer import best_gamma, report
from lkm_tune.cli.breaks import INTERRUPTED
from lkm_tune.cli.catalog import models, tasks
from lkm_tune.cli.check import check
from lkm_tune.cli.data import data
from lkm_tune.cli.diagnose import diagnose
from lkm_tune.cli.run import run
from lkm_tune.cli.single import export, predict, train
from lkm_tune.cli.status import status
from lkm_tune.package import package_digest


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lkm-tune")
def cli() -> None:
    """Find the best strength γ of Layer-to-Layer Knowledge Mixing (LKM).

    \b
    Examples:
      lkm-tune run quickstart                  a small real study, a few minutes on 2 cores
      lkm-tune check my_study.yaml             errors, or what the study will cost
      lkm-tune best-gamma --model pamnet       the answer
    """


COMMANDS = (
    run, check, status, report, best_gamma, train, export, predict, diagnose, models, tasks,
    data,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Runs `lkm-tune`; user errors end in one line and exit code 1, not in a traceback."""
    try:
        cli.main(arguments, prog_name="lkm-tune", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def tune(package: str) -> None:
    """Runs `tune.py [STUDY] [options]`, the same as `lkm-tune run`.

    Args:
        package: digest of the package that the script was sent with.
    """
    script, here = Path(sys.argv[0]).resolve(), Path(__file__).resolve()
    # Beside its own package a script need not carry the newest digest.
    if script.parent != here.parents[2] and package != package_digest():
        click.echo(
            f"Error: {script} was sent with another state of lkm-tune ({package}) than is "
            f"installed here ({package_digest()}). On the machine that sent it, in the folder of "
            "the checkout:\n  make tune.py && ray up cluster/config.yaml\nand submit again. Where "
            "files were deleted since the last time, delete ~/lkm-tune/lkm_tune on every node "
            "first: copying only adds and replaces.",
            err=True,
        )
        sys.exit(1)
    main(["run", *sys.argv[1:]])
