"""Datasets: tasks by name; data are read, checked, split, normalised and stored as flat arrays.

Names that need torch are imported when they are first used.
"""

from typing import TYPE_CHECKING

from lkm_tune.datasets.dataset import Dataset, Target, Task
from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.origin import HERE, Origin
from lkm_tune.datasets.registry import DATASETS, TASKS, caution, find_task, usual_sizes
from lkm_tune.datasets.split import Part, Split, split_molecules
from lkm_tune.lazy import lazy_imports

if TYPE_CHECKING:
    from lkm_tune.datasets.molecule_store import MoleculeStore
    from lkm_tune.datasets.node_graph import NodeGraph
    from lkm_tune.datasets.normalise import Normaliser, Scale
    from lkm_tune.datasets.prepared import build_store, open_prepared
    from lkm_tune.datasets.task_loader import load_task
    from lkm_tune.datasets.task_samples import MoleculeData, NodeData, TaskData

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
    "open_prepared",
    "split_molecules",
    "usual_sizes",
]

__getattr__ = lazy_imports(__file__)
