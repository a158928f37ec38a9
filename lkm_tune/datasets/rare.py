"""Elements that only molecules outside the training part hold.

Their free-atom energies are unknown and their embeddings untrained, so that no prediction for such
a molecule means anything.
"""

from typing import Literal

import numpy as np

from lkm_tune.datasets.elements import symbols_of
from lkm_tune.datasets.molecules import DataError, IntArray
from lkm_tune.datasets.split import Split
from lkm_tune.datasets.store import MoleculeStore

_SHOWN = 10

Then = Literal["refuse", "train", "tell"]


def elements_of(store: MoleculeStore, part: IntArray) -> tuple[int, ...]:
    """The atomic numbers in a part, in ascending order.

    Args:
        store: All molecules.
        part: Positions of molecules in it.
    """
    return tuple(int(z) for z in np.flatnonzero(_held(store, part).any(axis=0)))


def with_rare_elements(store: MoleculeStore, split: Split, then: Then) -> tuple[Split, str]:
    """A split whose validation and test parts hold no element that the training part lacks.

    Args:
        store: All molecules.
        split: As it was drawn.
        then: What becomes of molecules with such elements. `refuse` stops. `train` moves them, and
            those that are the same graph to a network, to the training part, which grows by them.
            `tell` leaves them where they are.

    Returns:
        The split, and what was moved or is untrained in a sentence; empty where nothing was.

    Raises:
        DataError: There are such molecules and they must not be moved, or a part would be empty.
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
        return split, f"{symbols} is in none of the {trained} training molecules but in {what}"
    if then == "refuse":
        ids = ", ".join(str(number) for number in store.ids[found[:_SHOWN]])
        more = ", …" if len(found) > _SHOWN else ""
        raise DataError(
            f"every element must be in the training part, but {symbols} is in none of its "
            f"{len(split.train)} molecules and in {what}, with the numbers {ids}{more} (counted "
            "from 0 in the order of a file of your own). `data: {rare_elements: train}` moves "
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
            f"once the molecules with {symbols} are in the training part, validation and test must "
            f"have molecules left, but have {len(moved.val)} and {len(moved.test)}: ask for more"
        )
    return moved, f"{what} went to the training part, since only they have {symbols}"


def _held(store: MoleculeStore, part: IntArray) -> np.ndarray:
    """[K, 119] whether each molecule of a part has each element."""
    sizes = np.diff(store.atom_offsets)
    has = np.zeros((len(sizes), 119), dtype=bool)
    has[np.repeat(np.arange(len(sizes)), sizes), store.z] = True
    return has[part]
