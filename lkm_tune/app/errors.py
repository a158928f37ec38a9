"""The exception of this package, and the conversion of other errors to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from lkm_tune.masking import masked
from lkm_tune.printable import printable

Read = TypeVar("Read")

USER_ERRORS = (ValueError, OSError, RecursionError, MemoryError)
"""Errors of bad input, files and machines."""

LONGEST, MOST_LINES = 2_000, 100
"""Shown characters of a line, and shown lines, of an error."""


class LkmTuneError(Exception):
    """A request that is impossible; the message names the rule, the value and the valid values."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns errors of bad input into a `LkmTuneError`.

    Use it around statements that read input. Errors of the work that follows are bugs and keep
    their traceback.
    """
    try:
        yield
    except USER_ERRORS as error:
        raise LkmTuneError(sentence(error)) from error


def sound(read: Callable[[], Read], empty: Read, damage: list[str]) -> Read:
    """What `read` reads; `empty` if the file is missing, or damaged, which `damage` then tells."""
    try:
        return read()
    except FileNotFoundError:
        return empty
    except ValueError as error:
        damage.append(sentence(error))
        return empty


def sentence(error: BaseException) -> str:
    """The message of an error for people, with control characters escaped and passwords masked."""
    if isinstance(error, MemoryError):
        said = "the input needs more memory than this machine has"
    elif isinstance(error, RecursionError):
        said = "the input is nested too deeply"
    else:
        said = masked(str(error))
    lines = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in said.split("\n")]
    shown = "\n".join(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        more = len(lines) - MOST_LINES
        shown += f"\n... and {more} more line{'s' if more > 1 else ''}"
    return printable(shown, keep="\n\t")
