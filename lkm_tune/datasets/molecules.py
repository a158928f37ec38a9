"""Molecules from a reader, as checked flat arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lkm_tune.elements import HEAVIEST_ELEMENT
from lkm_tune.printable import printable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Array = NDArray[Any]


MOST_ATOMS = 5_000
"""Of one molecule: the search for neighbours compares all pairs, which takes 1 GB for so many."""


class DataError(ValueError):
    """An unusable file or folder of data; the message has its name, the rule and the value."""

    def __init__(self, message: str) -> None:
        """Escapes letters of the file that a terminal cannot show."""
        super().__init__(printable(message, keep="\n"))


class PhysicalCheckError(DataError):
    """Numbers with a wrong unit or sign."""


@dataclass(frozen=True, eq=False)
class Bonds:
    """Covalent bonds from a dataset.

    Attributes:
        pairs: [2, B] atoms of each bond in both directions, counted from 0 within their molecule;
            the bonds of a molecule are adjacent.
        counts: [M] directed bonds of each molecule; they sum to B.
    """

    pairs: IntArray
    counts: IntArray


@dataclass(frozen=True, eq=False)
class Molecules:
    """M molecules with N atoms in total; the atoms of a molecule are adjacent.

    Attributes:
        name: Name of the dataset, for messages and folder names.
        ids: [M] number of each molecule in its dataset.
        n_atoms: [M] atoms of each molecule.
        z: [N] atomic numbers.
        pos: [N, 3] positions in Å, float32; None if the dataset has no positions.
        targets: Property name -> [M] values in the raw unit of the dataset.
        forces: Name of an energy among the targets -> [N, 3] forces in the raw unit per Å, float32.
        bonds: None to find them from the positions.
        parts: Name of a published selection, such as `train_01` -> indices in 0..M − 1.
        groups: [M] number of each molecule's scaffold; None if unknown.
        copies: [M] number of each molecule's graph; molecules of one graph stay in one part of
            every split. None if all graphs differ.
        gaps: Whether targets may lack values, which are NaN then; a molecule has at least one.
        remarks: Remarks on molecules left out or changed, one sentence each.

    Raises:
        DataError: Shapes disagree, numbers are not finite, atomic numbers are invalid, molecules
            have no atoms, ids are repeated, or there are neither positions nor bonds.
    """

    name: str
    ids: IntArray
    n_atoms: IntArray
    z: NDArray[np.uint8]
    pos: NDArray[np.float32] | None
    targets: Mapping[str, FloatArray]
    forces: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    bonds: Bonds | None = None
    parts: Mapping[str, IntArray] = field(default_factory=dict)
    groups: IntArray | None = None
    copies: IntArray | None = None
    gaps: bool = False
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks every array against the others."""
        self._check_shapes()
        self._check_values()

    def __len__(self) -> int:
        """Number of molecules M."""
        return len(self.n_atoms)

    @cached_property
    def offsets(self) -> IntArray:
        """[M + 1] index of each molecule's first atom; the last entry is N."""
        return offsets_of(self.n_atoms)

    @property
    def positions(self) -> NDArray[np.float32]:
        """The positions [N, 3] of molecules that must have some.

        Raises:
            DataError: There are no positions.
        """
        if self.pos is None:
            raise DataError(f"{self.name}: there must be positions, but are none")
        return self.pos

    def _check_shapes(self) -> None:
        m, n = len(self), int(self.n_atoms.sum())
        if m == 0:
            raise DataError(f"{self.name}: there must be molecules, but there are none")
        if self.n_atoms.min() < 1:
            first = int(np.argmax(self.n_atoms < 1))
            raise DataError(
                f"{self.name}: every molecule must have atoms, but molecule {first} "
                f"(counted from 0) has n_atoms = {self.n_atoms[first]}"
            )
        if self.n_atoms.max() > MOST_ATOMS:
            raise DataError(
                f"{self.name}: every molecule must have at most {MOST_ATOMS:,} atoms, but molecule "
                f"{int(np.argmax(self.n_atoms))} (counted from 0) has {self.n_atoms.max():,}"
            )
        expected: dict[str, tuple[Array, tuple[int, ...]]] = {
            "ids": (self.ids, (m,)),
            "z": (self.z, (n,)),
            **{name: (values, (m,)) for name, values in self.targets.items()},
            **{f"forces of {name}": (values, (n, 3)) for name, values in self.forces.items()},
        }
        if self.pos is not None:
            expected["pos"] = (self.pos, (n, 3))
        for name, numbers in (("groups", self.groups), ("copies", self.copies)):
            if numbers is not None:
                expected[name] = (numbers, (m,))
        for name, (array, shape) in expected.items():
            if array.shape != shape:
                raise DataError(
                    f"{self.name}: {name} must have the shape {shape} "
                    f"({m} molecules, {n} atoms by n_atoms), but has {array.shape}"
                )
        self._check_bonds()
        for name, positions in self.parts.items():
            if len(positions) and not 0 <= positions.min() <= positions.max() < m:
                raise DataError(
                    f"{self.name}: the part {name} must name molecules 0..{m - 1}, but names "
                    f"{positions.min()}..{positions.max()}"
                )
            if len(np.unique(positions)) < len(positions):
                raise DataError(f"{self.name}: the part {name} names a molecule twice")

    def _check_bonds(self) -> None:
        if self.bonds is None:
            if self.pos is None:
                raise DataError(f"{self.name}: there must be positions or bonds, but are neither")
            return
        pairs, counts = self.bonds.pairs, self.bonds.counts
        if counts.shape != (len(self),) or pairs.shape != (2, int(counts.sum())):
            raise DataError(
                f"{self.name}: bonds must be [2, {counts.sum()}] with one count a molecule, but "
                f"are {pairs.shape} with counts {counts.shape}"
            )
        sizes = np.repeat(self.n_atoms, counts)
        if len(sizes) and ((pairs < 0) | (pairs >= sizes)).any():
            raise DataError(f"{self.name}: bonds must join atoms of their own molecule")

    def _check_values(self) -> None:
        atoms: dict[str, Array] = {f"forces of {name}": f for name, f in self.forces.items()}
        if self.pos is not None:
            atoms["pos"] = self.pos
        labels: dict[str, Array] = dict(self.targets)
        if self.gaps:
            rows = np.stack(list(labels.values()), axis=1)
            labels = {"a target": np.where(np.isnan(rows).all(axis=1), np.nan, np.nansum(rows, 1))}
        for name, values in {**atoms, **labels}.items():
            bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            if len(bad):
                what = "atom" if name in atoms else "molecule"
                raise DataError(
                    f"{self.name}: {name} must be finite, but {len(bad)} of {len(values)} rows "
                    f"are not; the first is {what} {bad[0]} (counted from 0): {values[bad[0]]}"
                )
        wrong = [z for z in np.unique(self.z).tolist() if not 1 <= z <= HEAVIEST_ELEMENT]
        if wrong:
            raise DataError(
                f"{self.name}: atomic numbers must lie in 1..{HEAVIEST_ELEMENT}, but there are "
                f"{wrong}"
            )
        known, counts = np.unique(self.ids, return_counts=True)
        if counts.max() > 1:
            twice = int(known[np.argmax(counts > 1)])
            raise DataError(
                f"{self.name}: every molecule must occur once, but id {twice} occurs "
                f"{counts.max()} times"
            )


def offsets_of(counts: Array) -> IntArray:
    """Turns M counts into M + 1 offsets that begin at 0 and end at the sum."""
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def single_precision(pos: Array, n_atoms: IntArray) -> NDArray[np.float32]:
    """Positions [N, 3] as float32, for networks, which use only differences.

    Positions with more digits than float32 are first centred for each molecule: far from the
    origin, float32 would lose digits of the file. Positions in float32 stay unchanged.

    Args:
        pos: [N, 3] positions, Å.
        n_atoms: [M] atoms of each molecule; the sum is N.
    """
    fits = len(n_atoms) > 0 and n_atoms.min() > 0 and pos.shape == (n_atoms.sum(), 3)
    if pos.dtype == np.float32 or not fits:  # `Molecules` reports wrong shapes.
        return in_single(pos)
    exact = pos.astype(np.float64)
    centres = sum_per_molecule(exact, offsets_of(n_atoms)) / n_atoms[:, None]
    return in_single(exact - np.repeat(centres, n_atoms, axis=0))


def free_atoms(
    energies: Mapping[int, float] | Iterable[tuple[int, float]], z: Array, offsets: IntArray
) -> FloatArray:
    """[M] the energies of each molecule's atoms [N], summed; NaN where an element has none."""
    of_element = np.full(HEAVIEST_ELEMENT + 1, np.nan)
    for element, energy in dict(energies).items():
        of_element[element] = energy
    return sum_per_molecule(of_element[z], offsets)


def in_single(values: Array) -> NDArray[np.float32]:
    """The values as float32; those that are too large become infinite, which is refused later."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def sum_per_molecule(values: Array, offsets: IntArray) -> FloatArray:
    """Sums atom values [N, ...] over each molecule, [M, ...]; no molecule may be empty."""
    sums: FloatArray = np.add.reduceat(values.astype(np.float64), offsets[:-1], axis=0)
    return sums
