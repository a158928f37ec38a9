"""From a task's name to what training needs: molecules, split, and targets on one scale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import ArrayLike

from lkm_tune.datasets.molecules import Array, DataError, FloatArray, Molecules, sum_per_molecule
from lkm_tune.datasets.normalise import Normaliser
from lkm_tune.datasets.prepare import prepare
from lkm_tune.datasets.qm9 import locate_qm9, read_qm9
from lkm_tune.datasets.split import Part, Split, split_molecules
from lkm_tune.datasets.store import MoleculeStore
from lkm_tune.datasets.tasks import Task, find_task
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.study import DataPlan


@dataclass(frozen=True)
class Dataset:
    """How one dataset is found and read.

    Attributes:
        locate: Turns a study's `source` into the path of a file.
        read: Reads and checks that file.
    """

    locate: Callable[[str], Path]
    read: Callable[[Path], Molecules]


DATASETS: Mapping[str, Dataset] = MappingProxyType({"qm9": Dataset(locate_qm9, read_qm9)})
"""Every dataset by the name that its tasks carry."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task's molecules, split and targets.

    Attributes:
        task: The task.
        source: The file that the molecules were read from.
        store: All molecules of that file.
        split: The parts, as positions in the store.
        normaliser: Fitted on the training part.
        values: [M] targets in the raw unit, energies less their atoms, of every molecule.
    """

    task: Task
    source: Path
    store: MoleculeStore
    split: Split
    normaliser: Normaliser
    values: FloatArray

    def batch(
        self,
        indices: ArrayLike,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[MoleculeBatch, torch.Tensor]:
        """Gathers molecules and their targets.

        Args:
            indices: [G] positions in the store, such as a slice of `split.train`.
            device: Where to put them; the CPU by default.
            dtype: Of positions and targets.

        Returns:
            The batch, and the targets [G, 1] on the scale that a network learns.
        """
        molecules = self.store.batch(indices, dtype)
        values = self.values[np.asarray(indices, dtype=np.int64)]
        target = torch.from_numpy(self.normaliser.to_model(values)).to(dtype)[:, None]
        if device is None or torch.device(device).type == "cpu":
            return molecules, target
        return molecules.to(device), target.to(device)

    def mean_error(self, part: Part) -> float:
        """MAE on a part, in the task's unit, of predicting the training mean for everything."""
        deviation = self.values[self.split.part(part)] - self.normaliser.mean
        return float(np.abs(deviation).mean() * self.normaliser.factor)


def load_task(
    name: str, data: DataPlan, seed: int, cutoff: float, cache: Path | None = None
) -> TaskData:
    """Loads a task: finds the file, prepares it once, splits, fits the scale.

    Args:
        name: The task, as `qm9/homo`.
        data: Where the molecules come from and how many are in each part.
        seed: Of the split; the same seed gives the same parts.
        cutoff: Radius edges join atoms closer than this, Å; a model tells what it needs.
        cache: Folder of prepared data; None for the default of `prepare`.

    Raises:
        ValueError: An unknown task, or more molecules asked for than the file has.
        DataError: The file is not there or no good.
    """
    task = find_task(name)
    dataset = DATASETS[task.dataset]
    source = dataset.locate(data.source)
    store = prepare(source, dataset.read, cutoff, cache)
    try:
        split = split_molecules(len(store), data.n_train, data.n_val, data.n_test, seed)
    except ValueError as error:
        raise ValueError(f"{task.name} from {source}: {error}") from error
    values = reduced_values(store, task)
    normaliser = Normaliser.fit(values[split.train], task.factor, task.unit)
    return TaskData(task, source, store, split, normaliser, values)


def reduced_values(store: MoleculeStore, task: Task) -> FloatArray:
    """Returns each molecule's value [M] in the raw unit, energies less their free atoms.

    Raises:
        DataError: The task is an energy and an element has no reference.
    """
    values: FloatArray = np.array(store.targets[task.target], dtype=np.float64)
    if not task.references:
        return values
    free_atoms = np.full(256, np.nan)
    for element, energy in task.references:
        free_atoms[element] = energy
    per_atom: Array = free_atoms[store.z]
    if np.isnan(per_atom).any():
        missing = sorted({int(z) for z in store.z[np.isnan(per_atom)]})
        raise DataError(
            f"{task.name} is an energy and needs the energy of each free atom, but there is none "
            f"for the atomic numbers {missing}; "
            f"there are for {[element for element, _ in task.references]}"
        )
    return values - sum_per_molecule(per_atom, store.atom_offsets)
