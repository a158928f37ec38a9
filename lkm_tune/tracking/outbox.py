"""The outbox: messages that wait on disk until MLflow has taken them.

The driver appends to a file of JSON lines, and a background thread delivers the lines. A small file
records the delivered offset and its MLflow. So no message is lost if the driver or MLflow dies, and
another MLflow gets all messages from the beginning.
"""

import errno
import hashlib
import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]

OUTBOX = "outbox.jsonl"
"""The name of the file in a study's folder."""


class Outbox:
    """An append-only file of messages with a delivered offset, for one destination."""

    def __init__(self, path: Path, destination: str) -> None:
        """Opens or creates the file.

        Args:
            path: The file of JSON lines. A last line without newline comes from a crash and is
                removed.
            destination: The address of the receiver. The stored offset counts only for its
                destination; for another destination, delivery begins at the first message.

        Raises:
            OSError: if the file cannot be opened for writing.
        """
        self.path = path
        self._offset_file = path.with_suffix(".delivered.json")
        self._rejected_file = path.with_suffix(".rejected.jsonl")
        # Only a digest is stored: the address of a database may contain a password.
        self._destination = hashlib.sha256(destination.encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = self._cut_torn_tail()
        self._offset = self._read_offset()

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._size

    @property
    def offset(self) -> int:
        """Bytes delivered."""
        return self._offset

    def append(self, message: Message, sync: bool = False) -> None:
        """Appends one message.

        Args:
            message: Plain data with at least `run` and `kind`; NaN and infinities are allowed.
            sync: Whether to wait until the message is on the disk.

        Raises:
            OSError: if the disk is full or read-only. The file is then unchanged.
            ValueError: if the outbox is closed.
        """
        line = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        with self._lock:
            if self._file < 0:
                raise ValueError(f"{self.path}: a closed outbox takes no messages")
            try:
                written = os.write(self._file, line)
                if written < len(line):
                    said = f"{os.strerror(errno.ENOSPC)}: only {written} of {len(line)} bytes fit"
                    raise OSError(errno.ENOSPC, said)
            except OSError as error:
                os.ftruncate(self._file, self._size)
                said = f"{self.path}: the message could not be written: {error.strerror}"
                raise OSError(error.errno, said) from error
            self._size += len(line)
            if sync:
                os.fsync(self._file)

    def read(self, limit: int) -> tuple[list[Message], int]:
        """The next undelivered messages, at most `limit`, and the offset after them.

        A line that is no message becomes `{"kind": "unreadable", "line": ...}`.
        """
        messages: list[Message] = []
        end = self._offset
        with self.path.open("rb") as file:
            file.seek(end)
            for line in file:
                if len(messages) == limit or not line.endswith(b"\n"):
                    break
                messages.append(_parse(line))
                end += len(line)
        return messages, end

    def search(self, *kinds: str) -> Iterator[Message]:
        """All messages of these kinds, delivered or not, oldest first."""
        return _search(self.path, kinds)

    def pending(self) -> int:
        """The number of undelivered messages."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            return sum(1 for _ in file)

    def mark_delivered(self, offset: int) -> None:
        """Records that all messages before `offset` have arrived; 0 begins again."""
        text = json.dumps({"destination": self._destination, "offset": offset})
        new = self._offset_file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._offset_file)
        self._offset = offset

    def reject(self, refused: Iterable[tuple[Message, str]]) -> None:
        """Stores refused messages in a file next to the outbox, each with the reason."""
        with self._rejected_file.open("a", encoding="utf-8") as file:
            for message, reason in refused:
                file.write(json.dumps({"reason": reason, "message": message}) + "\n")

    def close(self) -> None:
        """Closes the file; the outbox then takes no messages."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _cut_torn_tail(self) -> int:
        size = os.fstat(self._file).st_size
        end = size
        while end > 0:
            begin = max(0, end - 65536)
            newline = os.pread(self._file, end - begin, begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end < size:
            os.ftruncate(self._file, end)
        return end

    def _read_offset(self) -> int:
        try:
            kept = json.loads(self._offset_file.read_text(encoding="utf-8"))
            known = kept["destination"] == self._destination
            offset = int(kept["offset"]) if known else 0
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Torn or foreign content. Delivery from the start is safe: a message that is delivered
            # twice is written once.
            return 0
        return offset if 0 <= offset <= self._size else 0


def start_times(path: Path) -> dict[str, set[int]]:
    """When each run started, or started again, in milliseconds since 1970; {} without a file."""
    found: dict[str, set[int]] = {}
    if path.exists():
        for message in _search(path, ("start",)):
            found.setdefault(message["run"], set()).add(message["time"])
    return found


def _search(path: Path, kinds: Collection[str]) -> Iterator[Message]:
    marks = [f'"kind":"{kind}"'.encode() for kind in kinds]
    with path.open("rb") as file:
        for line in file:
            # Most lines are epochs; reading them all as JSON would take seconds.
            if any(mark in line for mark in marks):
                message = _parse(line)
                if message["kind"] in kinds:
                    yield message


def _parse(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and {"run", "kind"} <= message.keys():
        return message
    return {"kind": "unreadable", "line": line.decode(errors="replace")}
