"""The file under the ledger: Optuna's append-only journal, for one writer, on disks that fill up.

Whoever reads it sees the lines up to a kill: one that was torn by it is cut off at the next start.
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
    """Opens the journal at `path` for writing, or begins it, with Optuna's storage on it.

    A last line that a killed process left unfinished is cut off: an append to it would make the
    file unreadable.

    Raises:
        ValueError: if a line before the last is damaged; names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _cut_unfinished_line(path)
    check_lines(path)
    journal = Journal(path)
    return journal, JournalStorage(journal)


class Journal(JournalFileBackend):
    """A journal whose lines can be written several at once, waiting once for the disk."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes an empty one."""
        super().__init__(str(path), lock_obj=_NoLock(str(path)))
        self._together = False
        self._held: list[dict[str, Any]] = []
        with path.open("rb") as file:
            self._written = sum(1 for _ in file)
        self._failed: OSError | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within reaches the disk at its end, as one.

        The storage sees it at once. A kill before the end loses all of it, one during the end all
        but its first lines.

        Raises:
            OSError: if the disk is full or cannot be written.
        """
        self._together = True
        try:
            yield
        finally:
            self._together = False
            held, self._held = self._held, []
            if held:
                self.append_logs(held)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes lines; a full disk leaves the file as it was.

        After that nothing can be written any more: the storage in memory has what the file lacks,
        and counts its trials on.

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
            # Half a line would spoil what follows it.
            os.truncate(self._file_path, size)
            self._failed = error
            raise

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """The lines from this number on, those that are held back included."""
        if log_number_from >= self._written:
            # One process writes: the file has no more than what it wrote.
            return iter(self._held[log_number_from - self._written :])
        return chain(super().read_logs(log_number_from), self._held)


class _NoLock(JournalFileOpenLock):
    """The study has one writer; Optuna's own lock outlives a killed one by 30 s."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _cut_unfinished_line(path: Path) -> None:
    """Removes what follows the last complete line of a journal."""
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
