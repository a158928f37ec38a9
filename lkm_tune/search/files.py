"""Small files that are written whole or not at all, and whose damage is said."""

import json
import os
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Writes a file; a kill, a crash or a full disk leaves the one that was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_json(path: Path) -> Any:
    """What a file of ours holds.

    Raises:
        ValueError: if it is damaged; names it.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged and holds no JSON ({error}): restore it from a copy, or begin "
            "anew with --fresh"
        ) from error
