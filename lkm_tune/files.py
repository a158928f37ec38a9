"""Atomic writes of small files, and reads that report damage."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

CURE = "restore it from a copy, or begin anew with --fresh"


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes a file; after a kill, a crash or a full disk, the previous file remains.

    The content is on the disk when this returns. A missing folder is created.

    Raises:
        OSError: if the file cannot be written; the error names the file.
    """
    # Two processes that write the same file need separate unfinished copies.
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
    """Writes a UTF-8 file with `write_bytes`; line ends stay those of `text`."""
    return write_bytes(path, text.encode())


def read_json(path: Path, cure: str = CURE) -> Any:
    """The content of a JSON file that this package wrote.

    Args:
        path: the file.
        cure: advice for the error of a damaged file.

    Raises:
        ValueError: if the file is damaged; the error names the file.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged and holds no JSON ({error}): {cure}") from error
