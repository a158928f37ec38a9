"""Short names of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lkm_tune.transfer.fit.cells import CellKey


def short_names(names: Mapping[CellKey, str]) -> dict[CellKey, str]:
    """Labels of cells without the parts that all cells share (except the model).

    Args:
        names: the name of each cell for people, for cells that differ only in their protocol.
    """
    units = ("{}", "{}", "depth {}", "{:,} samples")
    differ = [i for i in range(4) if len({key[i] for key in names}) > 1] or [0]
    if differ[0] > 1:
        # A size alone is not clear.
        differ.insert(0, 0)
    short = {key: ", ".join(units[i].format(key[i]) for i in differ) for key in names}
    count = Counter(short.values())
    return {key: text if count[text] == 1 else names[key] for key, text in short.items()}
