"""Every dataset by name, and the dataset and task behind a name in a study file.

This file does not import torch, so that `lkm-tune tasks` and the check of a study file are fast.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from lkm_tune.datasets.chignolin import CHIGNOLIN
from lkm_tune.datasets.cora import CORA
from lkm_tune.datasets.dataset import Dataset, Task
from lkm_tune.datasets.identity import check_formula
from lkm_tune.datasets.md17_files import MD17, REVISED_MD17
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.own_file import FILE, own_dataset, own_task
from lkm_tune.datasets.pubchem import PUBCHEM, pubchem
from lkm_tune.datasets.qm9 import QM9
from lkm_tune.study import DataPlan

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {dataset.name: dataset for dataset in (QM9, *MD17, *REVISED_MD17, CHIGNOLIN, CORA, PUBCHEM)}
)
"""Every public dataset by its name."""

TASKS: Mapping[str, Task] = MappingProxyType(
    {task.name: task for dataset in DATASETS.values() for task in dataset.tasks}
)
"""Every task of a public dataset by its name."""


UNCHECKED = (
    "units, signs and repeated molecules were not checked (data.unchecked): they may be wrong"
)
"""The caution for results on data without checks."""


def dataset_of(task: Task, data: DataPlan) -> Dataset:
    """The dataset of a task; `data` describes a user's file."""
    if task.dataset.startswith(FILE):
        return own_dataset(task, data)
    if task.dataset == PUBCHEM.name:
        return pubchem(data)
    return DATASETS[task.dataset]


def usual_sizes(task: Task, data: DataPlan) -> DataPlan:
    """`data` with the dataset's usual numbers of training and validation samples.

    Raises:
        DataError: There are no usual numbers, as for a user's file, and `data` does not give them.
    """
    sizes = dataset_of(task, data).sizes(data.source or "auto")
    if sizes is None and not (data.n_train and data.n_val):
        raise DataError(f"{task.name}: data.n_train and data.n_val must be given")
    n_train, n_val = sizes or (None, None)
    return data.over(DataPlan(n_train=n_train, n_val=n_val))


def read_dataset(dataset: Dataset, unchecked: bool, path: Path) -> Molecules:
    """Reads a file, and checks that it holds the molecule of the dataset.

    Args:
        dataset: The dataset of the file.
        unchecked: Whether to skip physical checks; the check of the molecule always runs.
        path: The file.

    Raises:
        DataError: The file is invalid, or has another molecule.
    """
    molecules = dataset.read(path, unchecked)
    if dataset.formula:
        known = {other.name: other.formula for other in DATASETS.values() if other.formula}
        check_formula(molecules, dataset.name, dataset.formula, known)
    if unchecked:
        return replace(molecules, remarks=(*molecules.remarks, UNCHECKED))
    return molecules


def caution(digest: str) -> str:
    """The caution for results on a file with this SHA-256; usually empty."""
    cautions = (dataset.cautions.get(digest, "") for dataset in DATASETS.values())
    return next(filter(None, cautions), "")


def find_task(name: str, data: DataPlan | None = None) -> Task:
    """Returns the task of this name; upper and lower case mean the same.

    `qm9/homo+lumo` joins several properties of QM9. `file:PATH` is a user's file, whose target is
    in `data`.

    Raises:
        ValueError: There is no such task; the message lists the existing tasks.
    """
    given = name.strip()
    if given.lower().startswith(FILE):
        return own_task(FILE + given[len(FILE) :].strip(), data or DataPlan())
    by_lower_case = {known.lower(): task for known, task in TASKS.items()}
    task = by_lower_case.get(given.lower())
    if task is None and given.lower().startswith("qm9/") and "+" in given:
        task = _several(given, by_lower_case)
    if task is None:
        raise ValueError(
            f"no task is named {name!r}; the tasks are {', '.join(TASKS)}, several of QM9 at once "
            "(qm9/homo+lumo), or file:PATH"
        )
    if task.dataset == PUBCHEM.name and data is not None:
        return pubchem(data).tasks[0]
    return task


def _several(name: str, known: Mapping[str, Task]) -> Task | None:
    tasks = [known.get(f"qm9/{part.strip().lower()}") for part in name[len("qm9/") :].split("+")]
    targets = tuple(target for task in tasks if task is not None for target in task.targets)
    if None in tasks or len(set(targets)) < len(targets):
        return None
    return Task(f"qm9/{'+'.join(target.name for target in targets)}", "qm9", targets)
