"""Molecules with their graphs as flat arrays, for fast batches."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from lkm_tune.datasets.molecules import Array, DataError, FloatArray, IntArray
from lkm_tune.graphs import MoleculeBatch

FORMAT_VERSION = 3
"""Version of the format; older folders are not read."""

LocalIndex = NDArray[np.uint8] | NDArray[np.uint16]

_ARRAYS = (
    "ids", "z", "pos", "atom_offsets", "edges", "edge_offsets", "bonds", "bond_offsets", "groups",
    "copies",
)  # fmt: skip
_GROUPS = ("targets", "forces", "parts")
_META = "store.json"


@dataclass(frozen=True, eq=False)
class MoleculeStore:
    """M molecules, N atoms, E radius edges and B directed bonds.

    Edges and bonds count atoms from 0 within their molecule, in one byte for molecules of up to 256
    atoms. Arrays of a folder are memory-mapped: the processes of a machine share one copy.

    Attributes:
        cutoff: Cutoff of the radius edges, Å.
        ids: [M] number of each molecule in its dataset.
        z: [N] atomic numbers.
        pos: [N, 3] positions in Å, float32.
        atom_offsets: [M + 1] index of each molecule's first atom.
        edges: [2, E] source and target of each radius edge.
        edge_offsets: [M + 1] index of each molecule's first edge.
        bonds: [2, B] bonds, both directions.
        bond_offsets: [M + 1] index of each molecule's first bond.
        targets: Property name -> [M] values in the dataset's raw unit.
        forces: Name of an energy -> [N, 3] forces in the raw unit per Å.
        parts: Name of a published selection -> indices in the store.
        groups: [M] number of each molecule's scaffold; all different if unknown.
        copies: [M] number of each molecule's graph.
        remarks: Remarks on molecules left out or changed, one sentence each.
    """

    cutoff: float
    ids: IntArray
    z: NDArray[np.uint8]
    pos: NDArray[np.float32]
    atom_offsets: IntArray
    edges: LocalIndex
    edge_offsets: IntArray
    bonds: LocalIndex
    bond_offsets: IntArray
    groups: IntArray
    copies: IntArray
    targets: Mapping[str, FloatArray]
    forces: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    parts: Mapping[str, IntArray] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of molecules M."""
        return len(self.ids)

    def batch(self, indices: ArrayLike, dtype: torch.dtype = torch.float32) -> MoleculeBatch:
        """Gathers molecules into one batch, in the order of `indices`, without a loop.

        Args:
            indices: [G] indices in the store; repeated indices are valid.
            dtype: Type of the positions.

        Returns:
            The batch on the CPU, with copies of the arrays.

        Raises:
            IndexError: There is no index, or an index is outside 0..M − 1.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        self._check(chosen)
        starts = self.atom_offsets[chosen]
        n_atoms = self.atom_offsets[chosen + 1] - starts
        atoms = _ranges(starts, n_atoms)
        base = np.cumsum(n_atoms) - n_atoms
        return MoleculeBatch(
            z=torch.from_numpy(self.z[atoms].astype(np.int64)),
            pos=torch.from_numpy(self.pos[atoms]).to(dtype),
            graph_index=torch.from_numpy(np.repeat(np.arange(len(chosen)), n_atoms)),
            n_graphs=len(chosen),
            edge_index=_gather_pairs(self.edges, self.edge_offsets, chosen, base),
            cutoff=self.cutoff,
            bond_index=_gather_pairs(self.bonds, self.bond_offsets, chosen, base),
        )

    def forces_of(
        self, name: str, indices: ArrayLike, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Gathers forces [N, 3] of the atoms of `batch(indices)`, in the raw unit per Å."""
        chosen = np.asarray(indices, dtype=np.int64)
        self._check(chosen)
        starts = self.atom_offsets[chosen]
        atoms = _ranges(starts, self.atom_offsets[chosen + 1] - starts)
        return torch.from_numpy(self.forces[name][atoms]).to(dtype)

    def save(self, folder: Path) -> None:
        """Writes the store into a folder, one .npy file per array; see `open_prepared`.

        Args:
            folder: The folder, which is created if missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        for group in _GROUPS:
            (folder / group).mkdir(exist_ok=True)
            # Numbered: the name of a property may be no valid file name.
            for number, values in enumerate(getattr(self, group).values()):
                np.save(folder / group / f"{number}.npy", values, allow_pickle=False)
        meta = {
            "format": FORMAT_VERSION,
            "cutoff": self.cutoff,
            "shapes": {name: getattr(self, name).shape for name in _ARRAYS},
            "names": {group: list(getattr(self, group)) for group in _GROUPS},
            "remarks": self.remarks,
        }
        (folder / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "MoleculeStore":
        """Opens a folder of `save`, memory-mapped and read-only.

        Raises:
            DataError: The folder is missing, incomplete, damaged or of another format.
        """
        try:
            meta = json.loads((folder / _META).read_text(encoding="utf-8"))
            if meta["format"] != FORMAT_VERSION:
                raise DataError(
                    f"{folder}: the store's format must be {FORMAT_VERSION}, "
                    f"but is {meta['format']}"
                )
            arrays = {name: _map(folder / f"{name}.npy") for name in _ARRAYS}
            for name, shape in meta["shapes"].items():
                if arrays[name].shape != tuple(shape):
                    raise DataError(
                        f"{folder}: {name} must have the shape {tuple(shape)}, "
                        f"but has {arrays[name].shape}"
                    )
            named: dict[str, Any] = {
                group: {
                    name: _map(folder / group / f"{number}.npy")
                    for number, name in enumerate(meta["names"][group])
                }
                for group in _GROUPS
            }
            return cls(
                cutoff=float(meta["cutoff"]), remarks=tuple(meta["remarks"]), **arrays, **named
            )
        except DataError:
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: is not a readable molecule store ({error})") from error

    def _check(self, chosen: IntArray) -> None:
        if chosen.ndim != 1 or len(chosen) == 0:
            raise IndexError(
                f"a batch needs a list of at least one molecule, but got shape {chosen.shape}"
            )
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise IndexError(
                f"molecules are counted from 0 to {len(self) - 1}, but "
                f"got {chosen.min()}..{chosen.max()}"
            )


def _map(path: Path) -> Any:
    """An array as a view of its file; a plain ndarray, since np.memmap is slow to index."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """start, start + 1, … of every range, concatenated."""
    ends = np.cumsum(counts)
    positions: IntArray = np.repeat(starts - ends + counts, counts)
    positions += np.arange(len(positions))
    return positions


def _gather_pairs(
    pairs: Array, offsets: IntArray, chosen: IntArray, base: IntArray
) -> torch.Tensor:
    """The chosen molecules' pairs of atoms [2, K], counted through the batch."""
    starts = offsets[chosen]
    counts = offsets[chosen + 1] - starts
    where = _ranges(starts, counts)
    shift = np.repeat(base, counts)
    gathered = np.empty((2, len(where)), dtype=np.int64)
    for row in (0, 1):  # One row at a time: indexing both at once takes five times as long.
        np.add(pairs[row][where], shift, out=gathered[row])
    return torch.from_numpy(gathered)
