"""MD17 and its revision: frames of molecular dynamics with energies and forces.

Chmiela, Tkatchenko, Sauceda, Poltavsky, Schütt and Müller, "Machine learning of accurate
energy-conserving molecular force fields", Science Advances 3, e1603015 (2017). Christensen and von
Lilienfeld, "On the role of gradients for machine learning of molecular energies and forces",
Machine Learning: Science and Technology 1, 045018 (2020), recomputed the labels of 100,000 frames
of each molecule, since the original labels are noisy. The two kinds of labels must never be mixed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from lkm_tune.datasets.archive import check_array, list_arrays, read_arrays
from lkm_tune.datasets.dataset import HARTREE_IN_KCAL_MOL
from lkm_tune.datasets.molecules import (
    Array,
    DataError,
    IntArray,
    Molecules,
    in_single,
    single_precision,
)
from lkm_tune.datasets.trajectory import (
    ALL_ELECTRONS,
    check_energy,
    check_frames_differ,
    check_hydrogens,
    check_work,
)

Labels = Literal["original", "revised"]

FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        "aspirin": "C9H8O4", "azobenzene": "C12H10N2", "benzene": "C6H6", "ethanol": "C2H6O",
        "malonaldehyde": "C3H4O2", "naphthalene": "C10H8", "paracetamol": "C8H9NO2",
        "salicylic": "C7H6O3", "toluene": "C7H8", "uracil": "C4H4N2O2",
    }
)  # fmt: skip
"""File name of each molecule -> its formula in Hill's order."""

NAMES = tuple(FORMULAS)

_SPLIT = re.compile(r"split_((?:train|test)_\d+)")


@dataclass(frozen=True)
class _Layout:
    """Names of arrays in one kind of file: atomic numbers, positions, energies and forces."""

    z: str
    pos: str
    labels: Mapping[str, tuple[str, str]]

    @property
    def marks(self) -> set[str]:
        """Arrays that identify the kind of a file; files of a later kind may also have them all."""
        return {self.z, self.pos, *(name for pair in self.labels.values() for name in pair)}


_REVISED = ("energies", "forces")
_LAYOUTS = (
    _Layout("z", "R", {"revised": ("E", "F"), "original": ("E_md17", "F_md17")}),
    _Layout(
        "nuclear_charges",
        "coords",
        {"revised": _REVISED, "original": ("old_energies", "old_forces")},
    ),
    _Layout("nuclear_charges", "coords", {"revised": _REVISED}),
    _Layout("z", "R", {"original": ("E", "F")}),
)
"""Files of this project with both labels, the published revision, and the published original."""


def read_md17(path: Path, labels: Labels, unchecked: bool = False) -> Molecules:
    """Reads and checks the frames of one molecule.

    Args:
        path: A published .npz file of one of the two sets, or a file with both labels: `z` [A], `R`
            [M, A, 3] (Å), `E` [M] and `F` [M, A, 3] (revised), `E_md17` and `F_md17` (original).
            It may have `old_indices` [M] (numbers in the original trajectory) and `split_train_01`,
            `split_test_01` and so on (indices of frames).
        labels: The kind of energies and forces.
        unchecked: Whether to skip the rules on units, signs and repeated frames.

    Returns:
        The frames; the target `energy` in kcal/mol and its forces in kcal/mol/Å, splits as the
        parts `train_01`, `test_01` and so on.

    Raises:
        DataError: The file cannot be read or lacks these labels, arrays do not fit, frames are
            repeated, the two parts of a split overlap, or values cannot be in the units above.
    """
    names = list_arrays(path)
    layout = _layout(path, names, labels)
    energy, force = layout.labels[labels]
    splits = [name for name in names if _SPLIT.fullmatch(name)]
    old = [name for name in names if name == "old_indices"]
    raw = read_arrays(path, (layout.z, layout.pos, energy, force, *old, *splits))
    z, pos = raw[layout.z], raw[layout.pos]
    n_frames = len(pos) if pos.ndim else 0
    energies = raw[energy][:, 0] if raw[energy].shape[1:] == (1,) else raw[energy]
    check_array(path, layout.z, z, "iu", -1)
    check_array(path, layout.pos, pos, "f", n_frames, len(z), 3)
    check_array(path, energy, energies, "f", n_frames)
    check_array(path, force, raw[force], "f", n_frames, len(z), 3)
    ids = raw.get("old_indices", np.arange(n_frames))
    check_array(path, "old_indices", ids, "iu", n_frames)
    n_atoms = np.full(n_frames, len(z))
    molecules = Molecules(
        name=str(path),
        ids=ids.astype(np.int64),
        n_atoms=n_atoms,
        z=np.tile(_elements(path, z), n_frames),
        pos=single_precision(pos.reshape(-1, 3), n_atoms),
        targets={"energy": energies.astype(np.float64)},
        forces={"energy": in_single(raw[force].reshape(-1, 3))},
        parts=_parts(path, {name: raw[name] for name in splits}),
    )
    if unchecked:
        return molecules
    check_energy(molecules, "energy", HARTREE_IN_KCAL_MOL, ALL_ELECTRONS)
    check_hydrogens(molecules, "energy", HARTREE_IN_KCAL_MOL)
    check_work(molecules, "energy")
    check_frames_differ(molecules, pos.reshape(-1, 3))
    return molecules


def _layout(path: Path, names: list[str], labels: Labels) -> _Layout:
    fitting = next((layout for layout in _LAYOUTS if layout.marks <= set(names)), None)
    if fitting is None:
        raise DataError(
            f"{path}: must have the arrays z, R, E and F, or nuclear_charges, coords, energies "
            f"and forces, but has {', '.join(names) or 'none'}"
        )
    if labels not in fitting.labels:
        raise DataError(
            f"{path}: has the {' and '.join(fitting.labels)} labels, but not the {labels} labels "
            f"of the task; it holds {', '.join(names)}"
        )
    return fitting


def _elements(path: Path, z: Array) -> Array:
    unknown = sorted({int(number) for number in z} - set(ALL_ELECTRONS))
    if unknown:
        raise DataError(
            f"{path}: the elements of MD17 are {', '.join(map(str, ALL_ELECTRONS))}, but there "
            f"are the atomic numbers {unknown}"
        )
    return z.astype(np.uint8)


def _parts(path: Path, splits: Mapping[str, Array]) -> dict[str, IntArray]:
    """The published selections by name; training and test part of a split do not overlap."""
    parts = {}
    for name, positions in splits.items():
        check_array(path, name, positions, "iu", -1)
        parts[name.removeprefix("split_")] = positions.astype(np.int64)
    for name, train in parts.items():
        test = parts.get(name.replace("train", "test"), train[:0])
        common = np.intersect1d(train, test) if name.startswith("train") else test[:0]
        if len(common):
            raise DataError(
                f"{path}: split_{name} must have no frame in common with its test part, but has "
                f"{len(common)}, the first is {common[0]} (counted from 0)"
            )
    return parts
