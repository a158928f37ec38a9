"""Datasets: tasks by name, read, checked, split, normalised and kept as flat arrays."""

from lkm_tune.datasets.data import MoleculeData, NodeData, TaskData
from lkm_tune.datasets.known import caution
from lkm_tune.datasets.load import load_task, usual_sizes
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.nodes import NodeGraph
from lkm_tune.datasets.normalise import Normaliser, Scale
from lkm_tune.datasets.prepare import build_store, content_digest, prepare
from lkm_tune.datasets.split import Part, Split, split_molecules
from lkm_tune.datasets.store import MoleculeStore
from lkm_tune.datasets.tasks import TASKS, Target, Task, find_task

__all__ = [
    "TASKS",
    "DataError",
    "MoleculeData",
    "MoleculeStore",
    "Molecules",
    "NodeData",
    "NodeGraph",
    "Normaliser",
    "Part",
    "Scale",
    "Split",
    "Target",
    "Task",
    "TaskData",
    "build_store",
    "caution",
    "content_digest",
    "find_task",
    "load_task",
    "prepare",
    "split_molecules",
    "usual_sizes",
]
