"""The datasets behind the tasks: where each is found, how it is read, how much is usual."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lkm_tune.datasets.chignolin import CHIGNOLIN, read_chignolin
from lkm_tune.datasets.md17 import Labels, read_md17
from lkm_tune.datasets.md17_files import ORIGINAL, REVISED
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.datasets.nodes import NodeGraph
from lkm_tune.datasets.published import locate
from lkm_tune.datasets.qm9 import locate_qm9, read_qm9
from lkm_tune.datasets.tasks import Task
from lkm_tune.study import DataPlan

Sizes = tuple[int, int] | None
"""Samples to train and to validate on; the rest is tested on."""


@dataclass(frozen=True)
class Dataset:
    """How one dataset is found and read.

    Attributes:
        locate: Turns a study's `source`, and the cache folder or None for the default, into a
            path.
        read: Reads and checks what lies there.
        sizes: What is usual for a `source`; None where it must be given.
        reading: What tells this way of reading the file from others.
        read_nodes: Reads a graph of nodes, where the dataset is one.
    """

    locate: Callable[[str, Path | None], Path]
    read: Callable[[Path], Molecules]
    sizes: Callable[[str], Sizes]
    reading: str = ""
    read_nodes: Callable[[Path], NodeGraph] | None = None


def dataset_of(task: Task, data: DataPlan) -> Dataset:
    """The dataset of a task; of a user's own file `data` says what is in it."""
    kind, _, member = task.dataset.partition("/")
    if kind == "qm9":
        return _QM9
    if kind in ("md17", "rmd17"):
        return _trajectory(kind, member)
    return _CHIGNOLIN


def _usual(n_train: int, n_val: int) -> Callable[[str], Sizes]:
    return lambda source: (n_train, n_val)


def _trajectory(kind: str, molecule: str) -> Dataset:
    labels: Labels = "revised" if kind == "rmd17" else "original"
    published = REVISED[molecule] if kind == "rmd17" else ORIGINAL[molecule]
    return Dataset(
        locate=partial(locate, published),
        read=partial(read_md17, labels=labels),
        sizes=_usual(1_000, 1_000),
        reading=labels,
    )


_QM9 = Dataset(
    locate=lambda source, cache: locate_qm9(source),
    read=read_qm9,
    sizes=lambda source: (1_000, 500) if source == "sample" else (110_000, 10_000),
)
_CHIGNOLIN = Dataset(
    locate=partial(locate, CHIGNOLIN), read=read_chignolin, sizes=_usual(1_000, 200)
)
