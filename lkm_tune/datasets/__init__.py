"""Datasets: tasks by name, read, checked, split, normalised and kept as flat arrays."""

from lkm_tune.datasets.load import DATASETS, Dataset, TaskData, load_task
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.normalise import Normaliser
from lkm_tune.datasets.prepare import content_digest, prepare
from lkm_tune.datasets.split import Part, Split, split_molecules
from lkm_tune.datasets.store import MoleculeStore
from lkm_tune.datasets.tasks import TASKS, Task, find_task

__all__ = [
    "DATASETS",
    "TASKS",
    "DataError",
    "Dataset",
    "Molecules",
    "MoleculeStore",
    "Normaliser",
    "Part",
    "Split",
    "Task",
    "TaskData",
    "content_digest",
    "find_task",
    "load_task",
    "prepare",
    "split_molecules",
]
