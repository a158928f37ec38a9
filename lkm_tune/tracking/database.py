"""Atomic creation of the SQLite database of a storage folder."""

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
    """Creates a SQLite database with MLflow's tables, unless it exists.

    MLflow needs seconds to create its tables, so the cache folder keeps an empty database, and
    later databases are copies of it.

    Args:
        file: The database; a missing folder is created.
    """
    _appear(file, _make_copy)


def _appear(file: Path, make: Callable[[Path], None]) -> None:
    """Creates a database under a temporary name and renames it when it is complete.

    A process killed between two of MLflow's steps would leave a database that MLflow cannot open,
    and two processes that create tables at the same time both fail.
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
    except OSError:  # The cache is not writable; the database needs no cache.
        file.unlink(missing_ok=True)
    _make_tables(file)


def _make_empty(file: Path) -> None:
    _make_tables(file)
    # MLflow's default experiment names a folder of this process; MLflow creates it again if
    # missing.
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM experiments")


def _make_tables(file: Path) -> None:
    MlflowClient(sqlite_uri(file)).search_experiments(max_results=1)
