"""The one exception of this room, and how errors of the rooms below become it."""

from collections.abc import Iterator
from contextlib import contextmanager

USER_ERRORS = (ValueError, OSError, RecursionError, MemoryError)
"""What bad input leads to, beside files and machines that are not as they should be."""

LONGEST, MOST_LINES = 2_000, 100
"""Characters of a line, and lines, of an error that are shown."""


class LkmTuneError(Exception):
    """The request cannot be met; the message names the rule, the value and what would be valid."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turns the errors that bad input leads to into a `LkmTuneError`.

    It belongs around the statements that read the input, not around the work that follows: an
    error of the work is a bug, and keeps its traceback.
    """
    try:
        yield
    except USER_ERRORS as error:
        raise LkmTuneError(sentence(error)) from error


def sentence(error: BaseException) -> str:
    """The message of an error as text for people: control characters of an input are escaped."""
    if isinstance(error, MemoryError):
        said = "the input asks for more memory than there is"
    elif isinstance(error, RecursionError):
        said = "the input is nested too deeply"
    else:
        said = str(error)
    lines = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in said.split("\n")]
    shown = "\n".join(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown += f"\n... and {len(lines) - MOST_LINES} more lines"
    return "".join(
        c
        if c.isprintable() or c in "\n\t"
        else c.encode("unicode_escape", "backslashreplace").decode()
        for c in shown
    )
