"""What a trial prints, kept with its files: its standard output, its warnings, its errors."""

import io
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from lkm_tune.masking import masked
from lkm_tune.training.file_store import Store

FILE = "printed.log"

LONGEST = 200_000
"""Characters that are kept; of more the last ones."""


class Printed:
    """Keeps what Python code prints while a trial is trained, over all of its attempts.

    The store has it after every epoch, and after an error with its traceback. What a process
    prints in the epoch in which it is killed is lost.
    """

    def __init__(self, store: Store) -> None:
        """Goes on from what earlier attempts printed.

        Args:
            store: of the trial's files.
        """
        self._store = store
        self._text = read_printed(store)
        self._saved = self._text
        self._begun = False

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Keeps what is printed while the block runs, and the error that ends it."""
        with redirect_stdout(_Both(sys.stdout, self)), redirect_stderr(_Both(sys.stderr, self)):
            try:
                yield
            except Exception:
                self.add(traceback.format_exc())
                raise
            finally:
                self._save()

    def add(self, text: str) -> None:
        """Keeps a text, under the time at which this attempt printed first."""
        if text and not self._begun:
            self._begun = True
            self._text += time.strftime("--- %Y-%m-%d %H:%M:%S UTC\n", time.gmtime())
        self._text = (self._text + text)[-LONGEST:]

    def _save(self) -> None:
        if self._text != self._saved:
            # A full disk shows itself where the trial saves its state, which matters more.
            with suppress(OSError):
                self._store.write(FILE, masked(self._text).encode(errors="backslashreplace"))
                self._saved = self._text


class _Both(io.TextIOBase):
    """A stream that also keeps what is written to it."""

    def __init__(self, stream: TextIO, printed: Printed) -> None:
        self._stream = stream
        self._printed = printed

    def write(self, text: str) -> int:
        self._printed.add(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()


def read_printed(store: Store) -> str:
    """What a trial has printed; "" where it printed nothing.

    Raises:
        OSError: if its files cannot be read.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        return store.read(FILE).decode(errors="replace")
    return ""
