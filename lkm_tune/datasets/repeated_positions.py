"""Finds molecules that are equal after translation and rotation.

Two molecules are equal if they have the same elements and, for each pair of elements, the same
distances between atoms, within the precision of the numbers. Mirror images count as equal: the
networks use distances and angles, which are the same.
"""

from collections.abc import Iterator

import numpy as np

from lkm_tune.datasets.molecules import Array, FloatArray, IntArray, offsets_of

FINEST = 1e-6
"""Finest precision in Å; positions with more digits are compared at this precision."""

_COARSEST = 1e-3
_NUMBERS_THAT_TELL = 12
_NEAREST = 8


def find_repeats(z: Array, pos: Array, n_atoms: IntArray) -> Iterator[tuple[int, int]]:
    """Finds repeated molecules.

    Molecules of one composition are compared by the sorted distances of their atoms from their
    centre, which a tree searches; the few that agree are compared by all distances.

    Args:
        z: [N] atomic numbers of the atoms of all molecules.
        pos: [N, 3] positions of the file, Å.
        n_atoms: [M] atoms of each molecule.

    Yields:
        (later, earlier) indices of equal molecules, in ascending order of the later.
    """
    offsets = offsets_of(n_atoms)
    step = _precision(pos, offsets)
    groups: dict[bytes, list[int]] = {}
    elements = np.ascontiguousarray(z, dtype=np.uint8)
    for molecule, (begin, end) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        groups.setdefault(np.sort(elements[begin:end]).tobytes(), []).append(molecule)
    found: dict[int, int] = {}
    for members in groups.values():
        if len(members) > 1:
            _within(np.array(members), elements, pos, offsets, step, found)
    yield from sorted(found.items())


def _within(
    members: IntArray, z: Array, pos: Array, offsets: IntArray, step: FloatArray,
    found: dict[int, int],
) -> None:  # fmt: skip
    """Adds the repeats among molecules of one composition."""
    size = int(offsets[members[0] + 1] - offsets[members[0]])
    rows = offsets[members][:, None] + np.arange(size)
    # Atoms are sorted by element, so that atoms of one column are comparable.
    rows = np.take_along_axis(rows, np.argsort(z[rows], axis=1, kind="stable"), axis=1)
    kinds = z[rows[0]]
    radii = np.empty((len(members), size))
    for first in range(0, len(members), 10_000):
        some = pos[rows[first : first + 10_000]].astype(np.float64)
        some -= some.mean(axis=1, keepdims=True)
        radii[first : first + 10_000] = np.linalg.norm(some, axis=2)
    for kind in np.unique(kinds):
        radii[:, kinds == kind] = np.sort(radii[:, kinds == kind], axis=1)
    near = 2 * np.sqrt(3) * step[members].max() + FINEST
    from scipy.spatial import cKDTree  # The import takes a moment.

    tree = cKDTree(radii)
    nearest = min(_NEAREST, len(members))
    found_by_tree = tree.query(radii, k=nearest, p=np.inf, distance_upper_bound=near)
    others = np.asarray(found_by_tree[1])
    chosen = np.flatnonzero((others < len(members)).sum(axis=1) > 1)
    for row in chosen:
        for other in sorted(int(o) for o in others[row] if o < row):
            a, b = members[row], members[other]
            limit = np.sqrt(3) * (step[a] + step[b]) + FINEST
            same = _distances(kinds, pos[rows[row]]) - _distances(kinds, pos[rows[other]])
            if size == 1 or np.abs(same).max() < limit:
                found.setdefault(int(a), int(b))
                break


def _distances(kinds: Array, pos: Array) -> FloatArray:
    """All distances within a molecule, sorted for each pair of elements."""
    first, second = np.triu_indices(len(kinds), 1)
    apart = np.linalg.norm(pos[first].astype(np.float64) - pos[second], axis=1)
    pair = kinds[first].astype(np.int64) * 256 + kinds[second]
    distances: FloatArray = apart[np.lexsort((apart, pair))]
    return distances


def _precision(pos: Array, offsets: IntArray) -> FloatArray:
    """[M] the last decimal place of the positions of each molecule, Å."""
    step = np.full(len(offsets) - 1, FINEST)
    tells = np.add.reduceat((pos != 0).sum(axis=1), offsets[:-1]) >= _NUMBERS_THAT_TELL
    for place in (1e-5, 1e-4, _COARSEST):
        scaled = pos.astype(np.float64) / place
        off = np.abs(scaled - np.rint(scaled)).max(axis=1) > 1e-3
        fits = ~np.logical_or.reduceat(off, offsets[:-1])
        step[fits & tells] = place
    return step
