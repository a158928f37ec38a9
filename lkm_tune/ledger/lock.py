"""The lock of a study: it refuses a second driver and names the first."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout


class StudyHeldError(Exception):
    """Another process runs the study."""


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Holds the study whose lock file is at `path`.

    The operating system releases the lock when its holder dies. The note next to the lock file only
    informs people.

    Raises:
        StudyHeldError: if another process holds the study; the error names the process and its
            start.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_suffix(".json")
    lock = FileLock(path)
    try:
        # `holder` in another process also takes the lock for a moment.
        lock.acquire(timeout=1)
    except Timeout as error:
        raise StudyHeldError(
            f"the study in {path.parent} already runs in {_holder(note)}; a study has one process"
        ) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        note.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder(path: Path) -> str | None:
    """The process that holds the study with the lock file `path`, in words; None if it is free.

    A killed driver holds nothing, even if its note remains.
    """
    if not path.exists():
        return None
    try:
        with FileLock(path, timeout=0):
            return None
    except Timeout:
        return _holder(path.with_suffix(".json"))
    except OSError:
        return None  # In a read-only folder, no driver of this user runs the study.


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return "another process"
    return "process {pid} on {host} since {since}".format(**holder)
