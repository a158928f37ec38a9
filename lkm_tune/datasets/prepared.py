"""Builds a molecule store once, in a cache for later runs."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lkm_tune.cache import cache_folder
from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.download import make_once
from lkm_tune.datasets.molecule_store import FORMAT_VERSION, MoleculeStore
from lkm_tune.datasets.molecules import DataError, IntArray, Molecules, offsets_of
from lkm_tune.graphs import covalent_bonds, radius_edges

CLOSEST = 0.3
"""Smallest valid distance of atoms in Å; the shortest bond, H–H, has 0.74."""

_ATOMS_PER_CHUNK = 20_000


def open_prepared(
    source: Path,
    read: Callable[[Path], Molecules],
    cutoff: float,
    cache: Path | None = None,
    reading: str = "",
    digest: str | None = None,
) -> MoleculeStore:
    """Opens the store of a source file; builds it if it does not exist.

    The folder of a store gets its name only when the store is complete. If several processes need a
    store, one process builds it and the others wait. The name depends on the content of the source:
    a replaced file gets a new store.

    Args:
        source: The dataset's file.
        read: Reads and checks the file.
        cutoff: Cutoff of the radius edges, Å.
        cache: Folder of stores; None for the folder in LKM_TUNE_CACHE, or `~/.cache/lkm-tune`.
        reading: Parameters of `read`, as text; stores of other parameters are separate.
        digest: The source's `content_digest`, if the caller knows it.

    Raises:
        DataError: The source is invalid, atoms coincide, or the cache is not writable.
    """
    if not 0 < cutoff < np.inf:
        raise ValueError(f"the cutoff must be a positive number of Å, but is {cutoff}")
    folder = (cache or cache_folder()) / _key(source, cutoff, reading, digest)
    if (store := _open_or_none(folder)) is not None:
        return store
    try:
        make_once(
            folder,
            lambda partial: build_store(read(source), cutoff).save(partial),
            lambda path: _open_or_none(path) is not None,
        )
        return MoleculeStore.open(folder)
    except OSError as error:
        raise DataError(
            f"prepared data need a writable folder, but {folder.parent} cannot be written "
            f"({error}); set LKM_TUNE_CACHE to a writable folder"
        ) from error


def build_store(molecules: Molecules, cutoff: float) -> MoleculeStore:
    """Computes radius edges and bonds of all molecules, some thousand atoms at a time.

    Args:
        molecules: The checked molecules.
        cutoff: Cutoff of the radius edges, Å.

    Raises:
        DataError: Two atoms of a molecule are closer than `CLOSEST`.
    """
    offsets = molecules.offsets
    local: type[np.uint8] | type[np.uint16]
    local = np.uint8 if molecules.n_atoms.max() <= 256 else np.uint16
    edges: Any
    bonds: Any
    if molecules.pos is None:
        edges, edge_counts = np.empty((2, 0), local), np.zeros(len(molecules), np.int64)
        pos = np.zeros((len(molecules.z), 3), np.float32)
    else:
        pos = molecules.pos
        edges, edge_counts = _by_chunks(molecules, local, partial(_edges, pos, cutoff))
    if molecules.bonds is not None:
        bonds, bond_counts = molecules.bonds.pairs.astype(local), molecules.bonds.counts
    else:
        bonds, bond_counts = _by_chunks(molecules, local, partial(_bonds, pos))
    alone = np.arange(len(molecules))
    return MoleculeStore(
        cutoff=float(cutoff),
        ids=molecules.ids,
        z=molecules.z,
        pos=pos,
        atom_offsets=offsets,
        edges=edges,
        edge_offsets=offsets_of(edge_counts),
        bonds=bonds,
        bond_offsets=offsets_of(bond_counts),
        groups=alone if molecules.groups is None else molecules.groups,
        copies=alone if molecules.copies is None else molecules.copies,
        targets=molecules.targets,
        forces=molecules.forces,
        parts=molecules.parts,
        remarks=molecules.remarks,
    )


def _by_chunks(
    molecules: Molecules, local: type, find: Callable[[Molecules, slice, IntArray], IntArray]
) -> tuple[Any, IntArray]:
    """Pairs of atoms [2, K], counted within their molecule, and the number of each molecule."""
    offsets = molecules.offsets
    found, counts = [], []
    for first, last in _chunks(offsets):
        begin = int(offsets[first])
        graphs = np.repeat(np.arange(last - first), molecules.n_atoms[first:last])
        pairs = find(molecules, slice(begin, begin + len(graphs)), graphs)
        # Pairs are grouped by their target, so the pairs of a molecule are adjacent.
        graph_of_pair = graphs[pairs[1]]
        found.append((pairs - (offsets[first + graph_of_pair] - begin)).astype(local))
        counts.append(np.bincount(graph_of_pair, minlength=last - first))
    return np.concatenate(found, axis=1), np.concatenate(counts)


def _chunks(offsets: IntArray) -> list[tuple[int, int]]:
    """Cuts the molecules into runs [first, last) of about `_ATOMS_PER_CHUNK` atoms."""
    marks = np.arange(_ATOMS_PER_CHUNK, offsets[-1], _ATOMS_PER_CHUNK)
    cuts = np.unique([0, *np.searchsorted(offsets, marks), len(offsets) - 1])
    return [(int(first), int(last)) for first, last in zip(cuts[:-1], cuts[1:], strict=True)]


def _edges(
    pos: NDArray[np.float32], cutoff: float, molecules: Molecules, span: slice, graphs: IntArray
) -> IntArray:
    """Radius edges [2, E] of the atoms in `span`, with molecules `graphs`; checks distances."""
    within = torch.from_numpy(pos[span].astype(np.float64))
    edges: IntArray = radius_edges(within, torch.from_numpy(graphs), cutoff).numpy()
    _check_distances(molecules, within.numpy(), edges, span.start)
    return edges


def _bonds(
    pos: NDArray[np.float32], molecules: Molecules, span: slice, graphs: IntArray
) -> IntArray:
    """Covalent bonds [2, B] of the atoms in `span`."""
    within = torch.from_numpy(pos[span].astype(np.float64))
    z = torch.from_numpy(molecules.z[span].astype(np.int64))
    bonds: IntArray = covalent_bonds(z, within, torch.from_numpy(graphs)).numpy()
    return bonds


def _check_distances(
    molecules: Molecules, pos: NDArray[np.float64], pairs: IntArray, begin: int
) -> None:
    distances = np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1)
    if len(distances) == 0 or distances.min() >= CLOSEST:
        return
    nearest = int(np.argmin(distances))
    atoms = pairs[:, nearest] + begin
    molecule = int(np.searchsorted(molecules.offsets, atoms[0], side="right")) - 1
    a, b = (int(atom - molecules.offsets[molecule]) for atom in atoms)
    raise DataError(
        f"{molecules.name}: atoms must be at least {CLOSEST} Å apart, but in the molecule with id "
        f"{molecules.ids[molecule]} atoms {a} and {b} (counted from 0) are {distances[nearest]:g} "
        "Å apart"
    )


LONGEST_NAME = 100
"""Characters of a source's name in its store's name, for the file system's limit of 255 bytes."""


def _key(source: Path, cutoff: float, reading: str = "", digest: str | None = None) -> str:
    """A folder name that changes with the source's content, the cutoff and the format."""
    content = digest or content_digest(source)
    identity = (
        f"{content} cutoff={float(cutoff)!r} format={FORMAT_VERSION} closest={CLOSEST} {reading}"
    )
    return f"{source.stem[:LONGEST_NAME]}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _open_or_none(folder: Path) -> MoleculeStore | None:
    """The store in the folder; None if it is missing or damaged and must be built."""
    if not folder.is_dir():
        return None
    try:
        return MoleculeStore.open(folder)
    except DataError:
        return None
