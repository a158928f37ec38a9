"""Where the runs of a storage folder lie, and how to look at them."""

import os
import shlex
import sys
from pathlib import Path

VARIABLE = "MLFLOW_TRACKING_URI"


def tracking_uri(storage: Path | str) -> str:
    """The MLflow that a storage folder belongs to.

    Args:
        storage: The storage folder DIR of a study.

    Returns:
        `MLFLOW_TRACKING_URI` if it is set, else the SQLite database `DIR/mlflow.db`.

    Raises:
        ValueError: if that database cannot be named (`sqlite_uri`).
    """
    given = os.environ.get(VARIABLE, "").strip()
    return given or sqlite_uri(Path(storage).expanduser().resolve() / "mlflow.db")


def sqlite_uri(file: Path) -> str:
    """The address of a SQLite database as SQLAlchemy and MLflow read it.

    Raises:
        ValueError: if its path holds what an address gives another meaning: the runs would land
            in another file.
    """
    if wrong := [letter for letter in "?#%" if letter in str(file)]:
        raise ValueError(
            f"the path of MLflow's database must be without `?`, `#` and `%`, which are signs of "
            f"its address, but {file} holds {' '.join(wrong)}: give --storage another folder, or "
            f"the address of an MLflow server in {VARIABLE}"
        )
    return f"sqlite:///{file}"


def is_server(uri: str) -> bool:
    """Whether `uri` is an MLflow server, which decides itself where artifacts lie."""
    return uri.startswith(("http://", "https://", "databricks"))


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite database, None for everything else."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def ui_command(storage: Path | str) -> str:
    """The shell command that opens the runs of a storage folder in a browser or serves them.

    A database of another kind is named through the environment variable that it came from: its
    address may hold a password.
    """
    uri = tracking_uri(storage)
    python = shlex.quote(sys.executable)
    if is_server(uri):
        return f"{python} -m webbrowser {shlex.quote(uri)}"
    store = f'"${VARIABLE}"' if sqlite_file(uri) is None else shlex.quote(uri)
    return f"{python} -m mlflow ui --backend-store-uri {store}"
