"""The MLflow address of a storage folder, and the command to view its runs."""

import os
import shlex
import sys
from pathlib import Path

from lkm_tune.masking import masked

VARIABLE = "MLFLOW_TRACKING_URI"


def tracking_uri(storage: Path | str) -> str:
    """The MLflow address of a storage folder.

    Args:
        storage: The storage folder DIR of a study.

    Returns:
        `MLFLOW_TRACKING_URI` if it is set, else the SQLite database `DIR/mlflow.db`.

    Raises:
        ValueError: if the path of the database is invalid (`sqlite_uri`).
    """
    given = os.environ.get(VARIABLE, "").strip()
    return given or sqlite_uri(Path(storage).expanduser().resolve() / "mlflow.db")


def sqlite_uri(file: Path) -> str:
    """The address of a SQLite database for SQLAlchemy and MLflow.

    Raises:
        ValueError: if its path has a character with a special meaning in addresses: the runs would
            go to another file.
    """
    if wrong := [letter for letter in "?#%" if letter in str(file)]:
        raise ValueError(
            f"the path of MLflow's database must not contain `?`, `#` or `%`, which are special in "
            f"addresses, but {file} contains {' '.join(wrong)}: give --storage another folder, or "
            f"the address of an MLflow server in {VARIABLE}"
        )
    return f"sqlite:///{file}"


def is_server(uri: str) -> bool:
    """Whether `uri` is an MLflow server, which chooses the place of artifacts."""
    return uri.startswith(("http://", "https://", "databricks"))


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite database; None for other addresses."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def ui_command(storage: Path | str) -> str:
    """The shell command that shows the runs of a storage folder in a browser.

    An address that may hold a password is named through the environment variable that it came
    from.
    """
    uri = tracking_uri(storage)
    python, variable = shlex.quote(sys.executable), f'"${VARIABLE}"'
    if is_server(uri):
        shown = shlex.quote(uri) if masked(uri) == uri else variable
        return f"{python} -m webbrowser {shown}"
    store = variable if sqlite_file(uri) is None else shlex.quote(uri)
    return f"{python} -m mlflow ui --backend-store-uri {store}"
