"""Short names of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lkm_tune.transfer.fit.cells import CellKey


def short_names(names: Mapping[CellKey, str]) -> dict[CellKey, str]:
    """Labels of cells: the model, and as many further parts as tell the cells apart.

    Args:
        names: the name of each cell for people, for cells that differ only in their protocol.
    """
    units = ("{}", "{}", "depth {}", "{:,} samples")
    differ = [i for i in range(4) if len({key[i] for key in names}) > 1] or [0]
    if differ[0] > 1:
        # A size alone is not clear.
        differ.insert(0, 0)
    for parts in (differ[:end] for end in range(1, len(differ) + 1)):
        short = {key: ", ".join(units[i].format(key[i]) for i in parts) for key in names}
        if len(set(short.values())) == len(names):
            break
    count = Counter(short.values())
    return {key: text if count[text] == 1 else names[key] for key, text in short.items()}
