"""Stores the output of a trial with its files: standard output, warnings and errors."""

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
"""Longest stored output in characters; the first characters of longer output are dropped."""


class Printed:
    """Stores the output of Python code during a trial, over all attempts at the trial.

    The store has the output after every epoch, and the traceback after an error. The output of an
    epoch is lost if the process is killed in that epoch.
    """

    def __init__(self, store: Store) -> None:
        """Starts with the output of earlier attempts.

        Args:
            store: the store of the trial's files.
        """
        self._store = store
        self._text = read_printed(store)
        self._saved = self._text
        self._begun = False

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Adds the output of the block, and the traceback of an error that ends it."""
        with redirect_stdout(_Both(sys.stdout, self)), redirect_stderr(_Both(sys.stderr, self)):
            try:
                yield
            except Exception:
                self.add(traceback.format_exc())
                raise
            finally:
                self._save()

    def add(self, text: str) -> None:
        """Adds a text, after the time of the first text of this attempt."""
        if text and not self._begun:
            self._begun = True
            self._text += time.strftime("--- %Y-%m-%d %H:%M:%S UTC\n", time.gmtime())
        self._text = (self._text + text)[-LONGEST:]

    def _save(self) -> None:
        if self._text != self._saved:
            # On a full disk, the more important saving of the trial's state raises the error.
            with suppress(OSError):
                self._store.write(FILE, masked(self._text).encode(errors="backslashreplace"))
                self._saved = self._text


class _Both(io.TextIOBase):
    """A stream that also passes its text to `Printed`."""

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
    """The stored output of a trial; "" if the trial printed nothing.

    Raises:
        OSError: if the files of the trial cannot be read.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        return store.read(FILE).decode(errors="replace")
    return ""
