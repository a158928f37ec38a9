"""The file of the ledger: Optuna's append-only journal, for one writer, on disks that fill up.

After a kill, the next start removes an unfinished last line.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lkm_tune.ledger.journal_reader import check_lines


def open_journal(path: Path) -> tuple["Journal", JournalStorage]:
    """Opens or creates the journal at `path` for writing, with Optuna's storage.

    It removes the unfinished last line of a killed process: an append to that line would make the
    file unreadable.

    Raises:
        ValueError: if a line before the last is damaged; the error names the line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _cut_unfinished_line(path)
    check_lines(path)
    journal = Journal(path)
    return journal, JournalStorage(journal)


class Journal(JournalFileBackend):
    """A journal that can write several lines with one wait for the disk."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or creates an empty file."""
        super().__init__(str(path), lock_obj=_NoLock(str(path)))
        self._together = False
        self._held: list[dict[str, Any]] = []
        with path.open("rb") as file:
            self._written = sum(1 for _ in file)
        self._failed: OSError | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """A context whose lines reach the disk together, at its end.

        The storage sees the lines at once. A kill before the end loses all lines; a kill during the
        write at the end may keep the first lines. A context within a context has no effect.

        Raises:
            OSError: if the disk is full or cannot be written.
        """
        if self._together:
            yield
            return
        self._together = True
        try:
            yield
        finally:
            self._together = False
            held, self._held = self._held, []
            if held:
                self.append_logs(held)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes lines; a full disk leaves the file unchanged.

        After a failed write the journal refuses all further writes, because the storage in memory
        has records that the file lacks.

        Raises:
            OSError: if the disk is full or cannot be written.
        """
        if self._together:
            self._held += logs
            return
        if self._failed is not None:
            raise self._failed
        size = os.path.getsize(self._file_path)
        try:
            super().append_logs(logs)
            self._written += len(logs)
        except OSError as error:
            # Half a line would damage the next line.
            os.truncate(self._file_path, size)
            self._failed = error
            raise

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """The lines from this number on, including lines that wait for the disk."""
        if log_number_from >= self._written:
            # One process writes, so the file has no other lines.
            return iter(self._held[log_number_from - self._written :])
        return chain(super().read_logs(log_number_from), self._held)


class _NoLock(JournalFileOpenLock):
    """No lock: the study has one writer, and Optuna's lock outlives a killed writer by 30 s."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _cut_unfinished_line(path: Path) -> None:
    """Removes text after the last complete line of a journal."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        try:
            json.loads(content[content.rfind(b"\n", 0, max(0, end - 1)) + 1 : end] or b"{}")
        except json.JSONDecodeError:
            end = content.rfind(b"\n", 0, end - 1) + 1
        file.truncate(end)
