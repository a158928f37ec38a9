"""Atomic writes of small files, and reads that report damage."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

Made = TypeVar("Made")

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


def regular(path: Path) -> Path:
    """The path of a file that can be opened: to open a pipe would wait for its other end.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the path is a folder, a pipe or a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{path} must be a file, but is a folder, a pipe or a device: remove it")
    return path


def read_json(path: Path, make: Callable[[Any], Made], cure: str = CURE) -> Made:
    """What `make` makes of the content of a JSON file that this package wrote.

    Args:
        path: the file.
        make: takes the content; `mapping` and `listing` do for files of any content.
        cure: advice for the error of a damaged file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged; the error names the file.
    """
    content = regular(path).read_bytes()
    try:
        return make(json.loads(content))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged and holds no JSON ({error}): {cure}") from error
    except KeyError as error:
        raise ValueError(f"{path} is damaged: it lacks {error}: {cure}") from error
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}: {cure}") from error
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: a value has another type: {cure}") from error


def mapping(value: Any) -> dict[str, Any]:
    """The value, which must be a mapping of keys to values.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it must hold a mapping, but holds {json.dumps(value)[:40]}")
    return value


def listing(value: Any) -> list[Any]:
    """The value, which must be a list.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, list):
        raise ValueError(f"it must hold a list, but holds {json.dumps(value)[:40]}")
    return value
