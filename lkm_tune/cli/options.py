"""Options that several verbs share, and what they mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

storage_option = click.option(
    "--storage",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("lkm-runs"),
    show_default=True,
    help="Folder of all studies and of the MLflow database.",
)

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Replaces a value of the file, as search.trials=20; may be given several times.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Plain JSON for machines.")

Command = Callable[..., Any]


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns the errors that bad input leads to into a message without a traceback."""
    try:
        yield
    except (ValueError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise click.ClickException(str(error)) from error
