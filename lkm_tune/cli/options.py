"""Options that several verbs share, and what they mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

USER_ERRORS = (ValueError, OSError, RecursionError, MemoryError)
"""What bad input leads to, beside files and machines that are not as they should be."""

LONGEST, MOST_LINES = 2_000, 100
"""Characters of a line, and lines, of an error that are shown."""

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
    help="Replaces a value of the file, as search.trials=20; may be given several times.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Plain JSON for machines.")


def study_names(storage: Path, study: str | None = None) -> list[str]:
    """The studies that have been run in a storage folder, or the one asked for.

    A file's name stands for its study here: what was typed after `run` can be typed again.

    Raises:
        FileNotFoundError: if there is none, or not this one; names those that are.
    """
    names = sorted(path.parent.name for path in storage.glob("studies/*/study.json"))
    if study is None:
        if not names:
            raise FileNotFoundError(f"no study has been run in {storage}")
        return names
    name = Path(study).stem if study.endswith((".yaml", ".yml")) else study
    if name not in names:
        known = ", ".join(names) or "none"
        raise FileNotFoundError(f"study {name} has not been run in {storage}; there are: {known}")
    return [name]


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns the errors that bad input leads to into a message without a traceback.

    To be put around what reads the input and not around the work, whose own errors are bugs.
    """
    try:
        yield
    except USER_ERRORS as error:
        raise click.ClickException(sentence(error)) from error


def sentence(error: BaseException) -> str:
    """What an error says, as text for people: whatever bytes an input held, none reach a screen."""
    if isinstance(error, MemoryError):
        said = "the input asks for more memory than there is"
    elif isinstance(error, RecursionError):
        said = "the input is nested too deeply"
    else:
        said = str(error)
    lines = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in said.split("\n")]
    shown = "\n".join(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown += f"\n... and {len(lines) - MOST_LINES} more lines"
    return "".join(
        c
        if c.isprintable() or c in "\n\t"
        else c.encode("unicode_escape", "backslashreplace").decode()
        for c in shown
    )
