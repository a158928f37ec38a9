"""The outbox: messages that wait on disk until MLflow has taken them.

The driver appends, a background thread delivers. Between the two lies a file of JSON lines that
only grows, and a small file that says how far it was delivered and to which MLflow. So nothing
is lost when either side dies, and another MLflow gets everything from the beginning.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]

OUTBOX = "outbox.jsonl"
"""The name of the file in a study's folder."""


class Outbox:
    """An append-only file of messages with a delivered offset, for one destination."""

    def __init__(self, path: Path, destination: str) -> None:
        """Open the file, or make it.

        Args:
            path: The file of JSON lines. A last line without its newline was cut off by a crash
                while it was written and is removed.
            destination: Whom the messages are for. The offset counts only for the destination
                that it was kept for; for another one delivery begins at the first message.

        Raises:
            OSError: The file cannot be opened for writing.
        """
        self.path = path
        self._offset_file = path.with_suffix(".delivered.json")
        self._rejected_file = path.with_suffix(".rejected.jsonl")
        # Only a digest is kept: the address of a database may hold a password.
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
        """Write one message behind all others.

        Args:
            message: Plain data with at least `run` and `kind`; NaN and infinities are allowed.
            sync: Whether to wait until the disk holds it.

        Raises:
            OSError: The disk is full or read-only. The file then ends as it did before.
            ValueError: The outbox was closed.
        """
        line = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        with self._lock:
            if self._file < 0:
                raise ValueError(f"{self.path}: a closed outbox takes no messages")
            try:
                written = os.write(self._file, line)
                if written < len(line):
                    raise OSError(f"only {written} of {len(line)} bytes fit")
            except OSError as error:
                os.ftruncate(self._file, self._size)
                raise OSError(f"{self.path}: the message could not be written: {error}") from error
            self._size += len(line)
            if sync:
                os.fsync(self._file)

    def read(self, limit: int) -> tuple[list[Message], int]:
        """The next undelivered messages, at most `limit`, and the offset behind them.

        A line that is no message comes as `{"kind": "unreadable", "line": ...}`.
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
        marks = [f'"kind":"{kind}"'.encode() for kind in kinds]
        with self.path.open("rb") as file:
            for line in file:
                # Most lines are epochs; reading them all as JSON would take seconds.
                if any(mark in line for mark in marks):
                    message = _parse(line)
                    if message["kind"] in kinds:
                        yield message

    def pending(self) -> int:
        """How many messages wait."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            return sum(1 for _ in file)

    def mark_delivered(self, offset: int) -> None:
        """Remember that everything before `offset` has arrived; 0 begins again."""
        text = json.dumps({"destination": self._destination, "offset": offset})
        new = self._offset_file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._offset_file)
        self._offset = offset

    def reject(self, refused: Iterable[tuple[Message, str]]) -> None:
        """Keep messages that will never be taken beside the outbox, each with the reason."""
        with self._rejected_file.open("a", encoding="utf-8") as file:
            for message, reason in refused:
                file.write(json.dumps({"reason": reason, "message": message}) + "\n")

    def close(self) -> None:
        """Close the file; the outbox takes nothing any more."""
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
            # Half written or foreign. Delivering twice lands once, so the beginning is safe.
            return 0
        return offset if 0 <= offset <= self._size else 0


def _parse(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and {"run", "kind"} <= message.keys():
        return message
    return {"kind": "unreadable", "line": line.decode(errors="replace")}
