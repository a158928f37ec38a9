"""Pairs of frames with the same atoms at nearly the same positions."""

from dataclasses import dataclass

import numpy as np

from lkm_tune.datasets.molecules import Array, FloatArray, IntArray, Molecules

MOST = 200
"""Largest number of pairs."""

_CONSECUTIVE = 20_000
_SAMPLE = 1000
_FEATURES = 60


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of frames, nearest first.

    Attributes:
        first: [P] indices of frames.
        second: [P] indices of frames.
        turns: [P, 3, 3] rotations; `centred(pos of second) @ turn` lies on the first.
        distances: [P] root mean square distance of atoms, Å, never 0.
    """

    first: IntArray
    second: IntArray
    turns: FloatArray
    distances: FloatArray


def centred(pos: Array) -> FloatArray:
    """Positions [..., A, 3] minus their centre, float64."""
    exact = pos.astype(np.float64)
    about: FloatArray = exact - exact.mean(axis=-2, keepdims=True)
    return about


def near_pairs(molecules: Molecules) -> Pairs:
    """Finds the nearest pairs among frames that follow each other and among nearest neighbours.

    Only frames with the same elements in the same order are compared, after translation and
    rotation.

    Raises:
        DataError: There are no positions.
    """
    pos = molecules.positions
    groups: dict[bytes, list[int]] = {}
    offsets = molecules.offsets
    for frame in np.argsort(molecules.ids, kind="stable")[:_CONSECUTIVE]:
        z = molecules.z[offsets[frame] : offsets[frame + 1]]
        groups.setdefault(z.tobytes(), []).append(int(frame))
    found = [
        _of_group(pos, offsets, np.array(frames)) for frames in groups.values() if len(frames) > 1
    ]
    if not found:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty((0, 3, 3)), np.empty(0))
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    nearest = np.argsort(parts[3], kind="stable")
    nearest = nearest[parts[3][nearest] > 1e-6][:MOST]
    first, second, turns, distances = (part[nearest] for part in parts)
    return Pairs(first, second, turns, distances)


def _of_group(
    pos: Array, offsets: IntArray, frames: IntArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """The `MOST` nearest pairs of frames with the same atoms."""
    size = int(offsets[frames[0] + 1] - offsets[frames[0]])
    atoms = offsets[frames][:, None] + np.arange(size)
    first, second = np.arange(len(frames) - 1), np.arange(1, len(frames))
    if len(first) > 4 * MOST:  # Rotation is slow, so only near pairs are rotated.
        radii = np.linalg.norm(centred(pos[atoms]), axis=2)
        moved = np.square(radii[1:] - radii[:-1]).sum(axis=1)
        first = np.argsort(moved, kind="stable")[: 4 * MOST]
        second = first + 1
    some = np.unique(np.linspace(0, len(frames) - 1, _SAMPLE).astype(np.int64))
    nearest = _nearest(pos[atoms[some]])
    found = np.stack([np.concatenate([first, some]), np.concatenate([second, some[nearest]])])
    first, second = np.unique(np.sort(found, axis=0), axis=1)
    turns, distances = _turned(centred(pos[atoms[first]]), centred(pos[atoms[second]]))
    best = np.argsort(distances, kind="stable")[:MOST]
    return frames[first[best]], frames[second[best]], turns[best], distances[best]


def _nearest(pos: Array) -> IntArray:
    """[K] the frame that is most similar to each frame, by some distances between atoms."""
    pairs = np.stack(np.triu_indices(pos.shape[1], 1))
    chosen = np.unique(np.linspace(0, pairs.shape[1] - 1, _FEATURES).astype(np.int64))
    if pairs.shape[1] == 0:
        return np.arange(len(pos))
    a, b = pairs[:, chosen]
    distances = np.linalg.norm(pos[:, a].astype(np.float64) - pos[:, b], axis=2)
    from scipy.spatial import cKDTree  # The import takes a moment.

    others = np.asarray(cKDTree(distances).query(distances, k=2)[1])
    # Among equal frames, the frame itself need not come first.
    itself = others[:, 1] == np.arange(len(pos))
    nearest: IntArray = np.where(itself, others[:, 0], others[:, 1]).astype(np.int64)
    return nearest


def _turned(here: FloatArray, there: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations [P, 3, 3] of the second frames onto the first, and the remaining distances.

    Kabsch, Acta Crystallographica A32, 922 (1976).
    """
    u, _, vt = np.linalg.svd(np.swapaxes(there, 1, 2) @ here)
    proper = np.ones((len(here), 1, 3))
    proper[:, 0, 2] = np.sign(np.linalg.det(u @ vt))
    turns = (u * proper) @ vt
    left = np.square(there @ turns - here).sum(axis=2).mean(axis=1)
    return turns, np.sqrt(left)
