"""Everything that is wrong with a user's file, in one error."""

from collections.abc import Sequence
from pathlib import Path

from lkm_tune.datasets.molecules import DataError

SHOWN = 10
"""How many problems a message tells."""


def refuse_any(path: Path | str, problems: Sequence[str], hint: str = "") -> None:
    """Raises one error that tells the first ten problems of a file, where there are any.

    Args:
        path: The file, or what else it is called.
        problems: Each with the line or frame that it is in.
        hint: What the user can do about them.

    Raises:
        DataError: There are problems.
    """
    if not problems:
        return
    # What a file calls its columns may not be fit for a terminal.
    shown = [
        "".join(c if c.isprintable() else repr(c)[1:-1] for c in problem)
        for problem in problems[:SHOWN]
    ]
    if len(problems) > SHOWN:
        shown.append(f"and {len(problems) - SHOWN} more")
    shown += [hint] if hint else []
    raise DataError(f"{path} cannot be used as it is:\n  " + "\n  ".join(shown))
