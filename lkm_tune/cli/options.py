"""Options that several commands share, and the class of commands."""

import math
from pathlib import Path
from typing import Any

import click

from lkm_tune.app import LkmTuneError
from lkm_tune.app.errors import sentence

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


class FiniteRange(click.FloatRange):
    """A number in a range; neither nan, which click lets pass, nor inf."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number.

        Raises:
            click.BadParameter: if the number is not finite or out of the range.
        """
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"must be a finite number, but got {value}", param, ctx)
        return number


storage_option = click.option(
    "--storage",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("lkm-runs"),
    show_default=True,
    envvar="LKM_TUNE_STORAGE",
    show_envvar=True,
    help="Folder of all studies and of the MLflow database.",
)

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Replaces a value of the file: search.trials=20. May be given several times.",
)

margin_option = click.option(
    "--margin",
    type=FiniteRange(min=0, max=1, min_open=True, max_open=True),
    help="Difference of the error that does not matter, such as 0.02; by default the study's.",
)

experiment_option = click.option(
    "--experiment",
    metavar="NAME",
    help="MLflow experiment of the study's runs. Default: the name so far, first the study's name.",
)

url_option = click.option(
    "--url",
    metavar="URL",
    envvar="LKM_TUNE_URL",
    show_envvar=True,
    help="A server of `lkm-tune serve`, such as http://127.0.0.1:8420.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Plain JSON for machines.")


class Verb(click.Command):
    """A command whose user errors end in one message and exit code 1, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except LkmTuneError as error:
            raise click.ClickException(sentence(error)) from error
