"""Small files that are written whole or not at all, and whose damage is said."""

import json
from pathlib import Path
from typing import Any

from lkm_tune.training.store import Folder

CURE = "restore it from a copy, or begin anew with --fresh"


def write_whole(path: Path, text: str) -> None:
    """Writes a file; a kill, a crash or a full disk leaves the one that was there."""
    Folder(path.parent).write(path.name, text.encode())


def read_json(path: Path, cure: str = CURE) -> Any:
    """What a file of ours holds.

    Args:
        path: of the file.
        cure: what helps where it is damaged.

    Raises:
        ValueError: if it is damaged; names it.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged and holds no JSON ({error}): {cure}") from error
