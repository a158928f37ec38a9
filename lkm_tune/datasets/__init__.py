"""Datasets: tasks by name; data are read, checked, split, normalised and stored as flat arrays.

Names that need torch are imported at their first use, so that a list of tasks does not wait for
torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lkm_tune.datasets.dataset import Dataset, Target, Task
from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.origin import HERE, Origin
from lkm_tune.datasets.registry import DATASETS, TASKS, caution, find_task, usual_sizes
from lkm_tune.datasets.split import Part, Split, split_molecules

if TYPE_CHECKING:
    from lkm_tune.datasets.data import MoleculeData, NodeData, TaskData
    from lkm_tune.datasets.load import load_task
    from lkm_tune.datasets.nodes import NodeGraph
    from lkm_tune.datasets.normalise import Normaliser, Scale
    from lkm_tune.datasets.prepared import build_store, prepare
    from lkm_tune.datasets.store import MoleculeStore

_WITH_TORCH = {
    "MoleculeData": "data",
    "MoleculeStore": "store",
    "NodeData": "data",
    "NodeGraph": "nodes",
    "Normaliser": "normalise",
    "Scale": "normalise",
    "TaskData": "data",
    "build_store": "prepared",
    "load_task": "load",
    "prepare": "prepared",
}

__all__ = [
    "DATASETS",
    "HERE",
    "TASKS",
    "DataError",
    "Dataset",
    "MoleculeData",
    "MoleculeStore",
    "Molecules",
    "NodeData",
    "NodeGraph",
    "Normaliser",
    "Origin",
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


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
