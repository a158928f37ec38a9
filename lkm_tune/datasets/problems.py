"""Everything that is wrong with a user's file, in one error."""

from collections.abc import Sequence
from pathlib import Path

from lkm_tune.datasets.molecules import DataError

_SHOWN = 10


def refuse_any(path: Path | str, problems: Sequence[str]) -> None:
    """Raises one error that tells the first ten problems of a file, where there are any.

    Args:
        path: The file, or what else it is called.
        problems: Each with the line or frame that it is in.

    Raises:
        DataError: There are problems.
    """
    if not problems:
        return
    shown = list(problems[:_SHOWN])
    if len(problems) > _SHOWN:
        shown.append(f"and {len(problems) - _SHOWN} more")
    raise DataError(f"{path} cannot be used as it is:\n  " + "\n  ".join(shown))
