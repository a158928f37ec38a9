"""The SQLite database of a storage folder, made whole or not at all."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient

from lkm_tune.cache import cache_folder
from lkm_tune.tracking.storage import sqlite_uri


def make_database(file: Path) -> None:
    """Makes a SQLite database with MLflow's tables, unless there is one.

    MLflow makes its tables in many steps, which takes seconds: an empty database is kept in the
    cache folder, and later ones are copies of it.

    Args:
        file: The database; its folder is made when it is missing.
    """
    _appear(file, _make_copy)


def _appear(file: Path, make: Callable[[Path], None]) -> None:
    """Makes a database under another name and gives it its own when it is whole.

    A process killed between two of MLflow's steps would leave a database that no MLflow opens
    again, and two processes that make its tables at once both fail.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if file.exists():
            return
        unfinished = file.with_name(f"{file.name}.unfinished")
        for left_over in file.parent.glob(f"{unfinished.name}*"):
            left_over.unlink()
        make(unfinished)
        unfinished.rename(file)


def _make_copy(file: Path) -> None:
    empty = cache_folder() / f"mlflow-{version('mlflow')}.db"
    try:
        _appear(empty, _make_empty)
        shutil.copyfile(empty, file)
    except OSError:  # The cache cannot be written: nothing is saved, and nothing is lost.
        file.unlink(missing_ok=True)
    _make_tables(file)


def _make_empty(file: Path) -> None:
    _make_tables(file)
    # The experiment that MLflow begins with names a folder of this process; MLflow makes another
    # one where there is none.
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM experiments")


def _make_tables(file: Path) -> None:
    MlflowClient(sqlite_uri(file)).search_experiments(max_results=1)
