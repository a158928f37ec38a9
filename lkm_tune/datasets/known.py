"""The datasets behind the tasks: where each is found, how it is read, how much is usual."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lkm_tune.datasets.chignolin import CHIGNOLIN, STAND_IN_SHA256, read_chignolin
from lkm_tune.datasets.md17 import Labels, read_md17
from lkm_tune.datasets.md17_files import ORIGINAL, REVISED
from lkm_tune.datasets.molecules import DataError, Molecules
from lkm_tune.datasets.nodes import NodeGraph
from lkm_tune.datasets.pubchem import GAP, TARGET
from lkm_tune.datasets.published import Published, locate
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9
from lkm_tune.datasets.qm9_archive import QM9
from lkm_tune.datasets.tasks import FILE, Task
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


_CAUTIONS = {
    STAND_IN_SHA256: "energies and forces of this stand-in for the Chignolin set are by the "
    "semi-empirical GFN2-xTB: errors on it are not comparable with published ones"
}


def caution(digest: str) -> str:
    """What must be said beside every result on a file of this SHA-256; mostly nothing."""
    return _CAUTIONS.get(digest, "")


def dataset_of(task: Task, data: DataPlan) -> Dataset:
    """The dataset of a task; of a user's own file `data` says what is in it."""
    kind, _, member = task.dataset.partition("/")
    if task.dataset.startswith(FILE):
        return _own_file(task, data)
    if kind == "rmd17":
        return _trajectory(REVISED[member], "revised")
    if kind == "md17":
        return _trajectory(ORIGINAL[member], "original")
    return _OTHERS[kind]


def _usual(n_train: int, n_val: int) -> Callable[[str], Sizes]:
    return lambda source: (n_train, n_val)


def _locate_qm9(source: str, cache: Path | None) -> Path:
    if source == "sample":
        return SAMPLE
    try:
        return locate(QM9, source, cache)
    except DataError as error:
        raise DataError(
            f"{error}. Or take the 3,000 molecules that come with the package, with the source "
            "`sample`"
        ) from error


def _trajectory(published: Published, labels: Labels) -> Dataset:
    return Dataset(
        locate=partial(locate, published),
        read=partial(read_md17, labels=labels),
        sizes=_usual(1_000, 1_000),
        reading=labels,
    )


def _own_file(task: Task, data: DataPlan) -> Dataset:
    def own_path(source: str, cache: Path | None) -> Path:
        # The name of the task is where it lies; there is no other source.
        return Path(task.dataset.removeprefix(FILE)).expanduser()

    (target,) = task.targets
    read = partial(
        _read_xyz if task.geometry else _read_table,
        target=target.name,
        beside=data.forces if task.geometry else data.smiles,
    )
    reading = f"{target.name} {data.forces} {data.smiles}"
    return Dataset(own_path, read, sizes=lambda source: None, reading=reading)


# What the readers below import takes seconds, which no other dataset should wait for.


def _read_xyz(path: Path, target: str, beside: str | None) -> Molecules:
    from lkm_tune.datasets.xyz import read_xyz

    return read_xyz(path, target, beside)


def _read_table(path: Path, target: str, beside: str | None) -> Molecules:
    from lkm_tune.datasets.smiles import read_smiles

    return read_smiles(path, (target,), beside or "smiles")


def _read_cora(folder: Path) -> NodeGraph:
    from lkm_tune.datasets.cora import read_cora

    return read_cora(folder)


def _locate_cora(source: str, cache: Path | None) -> Path:
    from lkm_tune.datasets.cora import CORA

    return locate(CORA, source, cache)


def _no_molecules(path: Path) -> Molecules:
    raise DataError(f"{path}: holds a graph of nodes and no molecules")


_OTHERS = {
    "qm9": Dataset(
        locate=_locate_qm9,
        read=read_qm9,
        sizes=lambda source: (1_000, 500) if source == "sample" else (110_000, 10_000),
    ),
    "chignolin": Dataset(
        locate=partial(locate, CHIGNOLIN), read=read_chignolin, sizes=_usual(1_000, 200)
    ),
    "pubchem": Dataset(
        locate=partial(locate, GAP),
        read=partial(_read_table, target=TARGET, beside=None),
        sizes=_usual(13_000, 1_600),
    ),
    "cora": Dataset(
        locate=_locate_cora, read=_no_molecules, sizes=_usual(140, 500), read_nodes=_read_cora
    ),
}
