"""Small files that are written whole or not at all, and whose damage is named."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

CURE = "restore it from a copy, or begin anew with --fresh"


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes a file; a kill, a crash or a full disk leaves the file that was there.

    The content is on the disk when this returns. The folder is made where it is missing.

    Raises:
        OSError: if the file cannot be written; names it.
    """
    # Two processes that write the same file must not write into one unfinished copy.
    part = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, f"{path} could not be written: {error.strerror}") from error
    return path


def write_text(path: Path, text: str) -> Path:
    """Writes a UTF-8 file as `write_bytes` does; lines end as they do in `text`."""
    return write_bytes(path, text.encode())


def read_json(path: Path, cure: str = CURE) -> Any:
    """The content of a JSON file of ours.

    Args:
        path: of the file.
        cure: what helps where the file is damaged.

    Raises:
        ValueError: if the file is damaged; names it.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged and holds no JSON ({error}): {cure}") from error
