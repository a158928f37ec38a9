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
    """
    given = os.environ.get(VARIABLE, "").strip()
    return given or f"sqlite:///{Path(storage).expanduser().resolve() / 'mlflow.db'}"


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
