"""Elements that no training molecule has.

Their free-atom energies are unknown and their embeddings untrained, so predictions for molecules
with such an element are meaningless.
"""

from typing import Literal

import numpy as np

from lkm_tune.datasets.molecule_store import MoleculeStore
from lkm_tune.datasets.molecules import DataError, IntArray
from lkm_tune.datasets.split import Split
from lkm_tune.elements import symbols_of

_SHOWN = 10

Then = Literal["refuse", "train", "tell"]


def elements_of(store: MoleculeStore, part: IntArray) -> tuple[int, ...]:
    """The atomic numbers in a part, in ascending order.

    Args:
        store: All molecules.
        part: Indices of its molecules.
    """
    return tuple(int(z) for z in np.flatnonzero(_held(store, part).any(axis=0)))


def with_rare_elements(store: MoleculeStore, split: Split, then: Then) -> tuple[Split, str]:
    """A split whose validation and test parts have only elements of the training part.

    Args:
        store: All molecules.
        split: The drawn split.
        then: The choice for molecules with other elements. `refuse` stops. `train` moves them, and
            molecules with the same graph, to the training part. `tell` changes nothing.

    Returns:
        The split, and a sentence on moved molecules or untrained elements; empty if there are none.

    Raises:
        DataError: There are such molecules and `then` is `refuse`, or a part would be empty.
    """
    known = _held(store, split.train).any(axis=0)
    outside = np.concatenate([split.val, split.test])
    rare = _held(store, outside)[:, ~known].any(axis=1)
    if not rare.any():
        return split, ""
    found = np.sort(outside[rare])
    symbols = symbols_of(set(elements_of(store, found)) - set(np.flatnonzero(known).tolist()))
    what = f"{len(found)} of the {len(outside)} molecules of the validation and test parts"
    if then == "tell":
        trained = len(split.train)
        return split, f"none of the {trained} training molecules has {symbols}, but {what} do"
    if then == "refuse":
        ids = ", ".join(str(number) for number in store.ids[found[:_SHOWN]])
        more = ", …" if len(found) > _SHOWN else ""
        raise DataError(
            f"the training part must have every element, but none of its {len(split.train)} "
            f"molecules has {symbols}; {what} do, with the numbers {ids}{more} (counted "
            "from 0 in the order of your file). `data: {rare_elements: train}` moves "
            "them to the training part; or train on more molecules, or take them out of the file"
        )
    taken = np.isin(store.copies, store.copies[found])
    moved = Split(
        train=np.union1d(split.train, outside[taken[outside]]),
        val=split.val[~taken[split.val]],
        test=split.test[~taken[split.test]],
    )
    if len(moved.val) == 0 or len(moved.test) == 0:
        raise DataError(
            f"after molecules with {symbols} move to the training part, validation and test must "
            f"have molecules left, but have {len(moved.val)} and {len(moved.test)}: ask for more"
        )
    return moved, f"{what} moved to the training part, since only they have {symbols}"


def _held(store: MoleculeStore, part: IntArray) -> np.ndarray:
    """[K, 119] whether each molecule of a part has each element."""
    sizes = np.diff(store.atom_offsets)
    has = np.zeros((len(sizes), 119), dtype=bool)
    has[np.repeat(np.arange(len(sizes)), sizes), store.z] = True
    return has[part]
