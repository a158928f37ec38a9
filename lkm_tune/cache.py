"""Where what was computed once is kept for later runs of the same user."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder that LKM_TUNE_CACHE names, else `~/.cache/lkm-tune`."""
    chosen = os.environ.get("LKM_TUNE_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "lkm-tune"
