"""Folders that the environment names: the folder of data, and the cache of computed results."""

import os
from pathlib import Path

DATA, CACHE = "LKM_TUNE_DATA", "LKM_TUNE_CACHE"


def cache_folder() -> Path:
    """The folder that LKM_TUNE_CACHE names, else `~/.cache/lkm-tune`."""
    return named_folder(CACHE) or Path.home() / ".cache" / "lkm-tune"


def named_folder(variable: str) -> Path | None:
    """The folder that an environment variable names; None if it is unset or empty."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None


def settle_folders(seen_from: Path) -> None:
    """Makes the named folders absolute, for this process and its child processes.

    Ray trains in another working folder, where a relative path leads elsewhere.

    Args:
        seen_from: the folder where relative paths start, as an absolute path.
    """
    for variable in (DATA, CACHE):
        if folder := named_folder(variable):
            os.environ[variable] = str(seen_from / folder)
