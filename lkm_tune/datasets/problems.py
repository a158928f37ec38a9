"""All problems of a user's file, in one error."""

from collections.abc import Sequence
from pathlib import Path

from lkm_tune.datasets.molecules import DataError
from lkm_tune.printable import printable

SHOWN = 10
"""Largest number of problems in a message."""


def refuse_any(path: Path | str, problems: Sequence[str], hint: str = "") -> None:
    """Raises one error with the first ten problems of a file, if there are any.

    Args:
        path: The file, or its name in messages.
        problems: The problems, each with its line or frame.
        hint: Advice for the user.

    Raises:
        DataError: There are problems.
    """
    if not problems:
        return
    shown = [printable(problem) for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        shown.append(f"and {len(problems) - SHOWN} more")
    shown += [hint] if hint else []
    raise DataError(f"{path} cannot be used unchanged:\n  " + "\n  ".join(shown))
