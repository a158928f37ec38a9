"""The lock of a study: it refuses a second driver and names the first."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lkm_tune.files import regular


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
            f"the study in {path.parent} already runs in {_holder(path)}; a study has one process"
        ) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        note.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


@dataclass(frozen=True)
class Holder:
    """The process that holds a study.

    Attributes:
        pid: its process id.
        host: the name of its machine.
        since: its start, in ISO 8601.
    """

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        """In words."""
        since = self.since.replace("T", " ").replace("+00:00", " UTC")
        return f"process {self.pid} on {self.host} since {since}"


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
        return _holder(path)
    except OSError:
        return None  # In a read-only folder, no driver of this user runs the study.


def noted_holder(path: Path) -> Holder | None:
    """The process that the note beside the lock file `path` names; None without a note.

    It may have ended: the lock decides (`holder`).
    """
    try:
        note = regular(path.with_suffix(".json"))
        return Holder(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _holder(path: Path) -> str:
    return str(noted_holder(path) or "another process")
