"""Folders that the environment names: of data, and where what was computed once is kept."""

import os
from pathlib import Path

DATA, CACHE = "LKM_TUNE_DATA", "LKM_TUNE_CACHE"


def cache_folder() -> Path:
    """The folder that LKM_TUNE_CACHE names, else `~/.cache/lkm-tune`."""
    return named_folder(CACHE) or Path.home() / ".cache" / "lkm-tune"


def named_folder(variable: str) -> Path | None:
    """The folder that a variable of the environment names; None where it is not set or empty."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None


def settle_folders(seen_from: Path) -> None:
    """Makes the named folders of this process, and of processes that it starts, absolute.

    Ray trains in a working folder of its own, where a relative path is another folder.

    Args:
        seen_from: the folder that relative paths start from, an absolute path.
    """
    for variable in (DATA, CACHE):
        if folder := named_folder(variable):
            os.environ[variable] = str(seen_from / folder)
