"""A task's samples for training: batches, scaled targets, and parts."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from lkm_tune.datasets.dataset import AtomReferences, Task
from lkm_tune.datasets.molecule_store import MoleculeStore
from lkm_tune.datasets.molecules import (
    DataError,
    FloatArray,
    IntArray,
    free_atoms,
    sum_per_molecule,
)
from lkm_tune.datasets.node_graph import NodeGraph
from lkm_tune.datasets.normalise import Normaliser
from lkm_tune.datasets.rare_elements import elements_of
from lkm_tune.datasets.split import Part, Split
from lkm_tune.graphs import MoleculeBatch

Device = torch.device | str | None


@dataclass(frozen=True, eq=False)
class MoleculeData:
    """A task's molecules, split and targets.

    Attributes:
        task: The task.
        source: The file of the molecules.
        digest: SHA-256 of its content.
        store: All molecules of that file.
        split: The parts, as indices in the store.
        normaliser: Fitted on the training part.
        values: [M, P] targets of every molecule in the raw unit, minus the energies of free
            atoms.
        rare: A sentence on elements that the training part lacks.
    """

    task: Task
    source: Path
    digest: str
    store: MoleculeStore
    split: Split
    normaliser: Normaliser
    values: FloatArray
    rare: str = ""

    @property
    def elements(self) -> tuple[int, ...]:
        """The atomic numbers of all molecules, in ascending order."""
        return tuple(int(z) for z in np.unique(self.store.z))

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on data left out, changed or not checked, for every result."""
        return (*self.store.remarks, *filter(None, [self.rare]))

    @property
    def trained_elements(self) -> tuple[int, ...]:
        """The atomic numbers in the training part, in ascending order."""
        return elements_of(self.store, self.split.train)

    def batch(
        self, indices: ArrayLike, device: Device = None, dtype: torch.dtype = torch.float32
    ) -> tuple[MoleculeBatch, torch.Tensor]:
        """Gathers molecules and their targets.

        Args:
            indices: [G] indices in the store, such as a slice of `split.train`.
            device: Device of the batch; the CPU by default.
            dtype: Type of positions and targets.

        Returns:
            The batch, and the targets [G, P] on the scale of the network.
        """
        molecules = self.store.batch(indices, dtype)
        values = self.values[np.asarray(indices, dtype=np.int64)]
        target = torch.from_numpy(self.normaliser.to_model(values)).to(dtype)
        if device is None or torch.device(device).type == "cpu":
            return molecules, target
        return molecules.to(device), target.to(device)

    def forces(
        self, indices: ArrayLike, device: Device = None, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Forces [N, 3] of the atoms of `batch(indices)`, on the scale of its energies, per Å."""
        scale = self.normaliser.scales[0]
        forces = self.store.forces_of(scale.name, indices, dtype) / scale.std
        return forces if device is None else forces.to(device)

    def n_atoms(self, indices: IntArray) -> int:
        """Total number of atoms of these molecules."""
        return int((self.store.atom_offsets[indices + 1] - self.store.atom_offsets[indices]).sum())

    def mean_errors(self, part: Part) -> FloatArray:
        """[P] MAE on a part, in the targets' units, of predicting the training mean."""
        on_scale = self.normaliser.to_model(self.values[self.split.part(part)])
        errors: FloatArray = np.nanmean(np.abs(on_scale), axis=0) * self.normaliser.units_per_step
        return errors

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """[M, P] whether a molecule has a value of a target."""
        return np.isfinite(self.values)

    def mean_force_error(self, part: Part) -> float:
        """MAE of the components on a part, in the target's unit per Å, of predicting no force."""
        forces = self.store.forces_of(self.normaliser.scales[0].name, self.split.part(part))
        return float(forces.double().abs().mean()) * self.normaliser.scales[0].factor


@dataclass(frozen=True, eq=False)
class NodeData:
    """A graph for the classification of its nodes.

    Attributes:
        task: The task.
        source: The folder of the data.
        digest: SHA-256 of its files.
        graph: The graph. Training uses the whole graph and the labels of the training part.
        split: The parts, as indices of nodes.
    """

    task: Task
    source: Path
    digest: str
    graph: NodeGraph
    split: Split

    def mean_error(self, part: Part) -> float:
        """Error rate on a part of predicting the most frequent class of the training part."""
        labels = self.graph.labels.numpy()
        frequent = np.bincount(labels[self.split.train]).argmax()
        return float((labels[self.split.part(part)] != frequent).mean())


TaskData = MoleculeData | NodeData


def check_labels(task: Task, values: FloatArray, split: Split) -> None:
    """Checks that every part has values of every target.

    Args:
        task: The task.
        values: [M, P] targets; missing values are NaN.
        split: The parts.

    Raises:
        DataError: A part has too few values of a target.
    """
    for column, target in enumerate(task.targets):
        parts = {"train": (split.train, 2), "val": (split.val, 1), "test": (split.test, 1)}
        for part, (molecules, fewest) in parts.items():
            known = int(np.isfinite(values[:, column][molecules]).sum())
            if known < min(fewest, len(molecules)):
                raise DataError(
                    f"every part must have values of each target, but the part {part} has {known} "
                    f"of {target.name}; choose other sizes, or learn {target.name} alone"
                )


def reduced_values(
    store: MoleculeStore, task: Task, train: IntArray
) -> tuple[FloatArray, tuple[AtomReferences, ...]]:
    """Targets [M, P] in the raw unit, energies minus free atoms, and the free atoms' energies.

    Raises:
        DataError: An element has no reference for an energy, or a target is not in the store.
    """
    columns, taken = [], []
    for target in task.targets:
        if target.name not in store.targets:
            raise DataError(
                f"{task.name}: the target must be one of {', '.join(store.targets)}, "
                f"but is {target.name}"
            )
        values: FloatArray = np.array(store.targets[target.name], dtype=np.float64)
        references = target.references
        if target.fit_references:
            references = fitted_references(store, values, train)
        columns.append(values - _of_atoms(store, references, task) if references else values)
        taken.append(references)
    return np.stack(columns, axis=1), tuple(taken)


def fitted_references(store: MoleculeStore, values: FloatArray, train: IntArray) -> AtomReferences:
    """Energies of elements whose sums fit the values of the training part best.

    Least squares over the numbers of atoms of each element. If compositions do not determine the
    energies, as when all molecules are alike, it is the solution of least norm. Elements outside
    the training part get 0.

    Args:
        store: All molecules.
        values: [M] energies, raw unit.
        train: Indices of the training part.
    """
    elements = np.unique(store.z)
    counts = np.stack(
        [sum_per_molecule(store.z == element, store.atom_offsets) for element in elements], axis=1
    )
    known = train[np.isfinite(values[train])]
    energies, *_ = np.linalg.lstsq(counts[known], values[known], rcond=None)
    return tuple((int(z), float(energy)) for z, energy in zip(elements, energies, strict=True))


def _of_atoms(store: MoleculeStore, references: AtomReferences, task: Task) -> FloatArray:
    missing = sorted({int(z) for z in np.unique(store.z)} - dict(references).keys())
    if missing:
        raise DataError(
            f"{task.name} needs the energy of every free atom, but has no energy for "
            f"the atomic numbers {missing}; it has energies for {[z for z, _ in references]}"
        )
    return free_atoms(references, store.z, store.atom_offsets)
