"""One driver a study: the second one is refused and told who holds it."""

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

    The operating system releases the lock when its holder dies, however it dies; what the file
    beside it says is for people only.

    Raises:
        StudyHeldError: if another process holds it; says which, and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_suffix(".json")
    lock = FileLock(path)
    try:
        # Whoever looks who holds it (`holder`) has it for a moment.
        lock.acquire(timeout=1)
    except Timeout as error:
        raise StudyHeldError(
            f"the study in {path.parent} is being run by {_holder(note)}; one at a time may"
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
    """Who holds the study whose lock file is at `path`, in words; None if nobody does.

    A driver that was killed holds nothing, whatever the file beside the lock says.
    """
    if not path.exists():
        return None
    try:
        with FileLock(path, timeout=0):
            return None
    except Timeout:
        return _holder(path.with_suffix(".json"))
    except OSError:
        return None  # Where one may not write, no driver of this machine runs the study either.


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return "another process"
    return "process {pid} on {host} since {since}".format(**holder)
