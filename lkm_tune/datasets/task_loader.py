"""Loads the samples, the split and the scaled targets of a task."""

from functools import partial
from pathlib import Path

from lkm_tune.datasets.dataset import Task
from lkm_tune.datasets.molecule_store import MoleculeStore
from lkm_tune.datasets.molecules import PhysicalCheckError
from lkm_tune.datasets.node_graph import NodeGraph
from lkm_tune.datasets.normalise import Normaliser
from lkm_tune.datasets.origin import HERE, Origin
from lkm_tune.datasets.own_file import FILE
from lkm_tune.datasets.prepared import open_prepared
from lkm_tune.datasets.rare_elements import Then, with_rare_elements
from lkm_tune.datasets.registry import dataset_of, find_task, read_dataset, usual_sizes
from lkm_tune.datasets.split import (
    Split,
    SplitSizes,
    grouped_split,
    published_split,
    scaffold_split,
    split_molecules,
)
from lkm_tune.datasets.task_samples import (
    MoleculeData,
    NodeData,
    TaskData,
    check_labels,
    reduced_values,
)
from lkm_tune.study import DataPlan

RANDOM, SCAFFOLD, PUBLIC = "random", "scaffold", "public"


def load_task(
    name: str,
    data: DataPlan,
    seed: int,
    cutoff: float,
    cache: Path | None = None,
    origin: Origin = HERE,
) -> TaskData:
    """Loads a task: finds the file, prepares it once, splits, fits the scale.

    Args:
        name: The task, such as `qm9/homo`.
        data: The source of the samples and the sizes of the parts.
        seed: Seed of the split; the same seed gives the same parts.
        cutoff: Cutoff of the radius edges, Å; the model determines it.
        cache: Folder of prepared data; None for the default of `open_prepared`.
        origin: The folder where relative paths start, and the expected digest.

    Raises:
        ValueError: The task or split is unknown, or the file has too few samples.
        DataError: The file is missing or invalid, or has another digest.
    """
    task = find_task(name, data)
    data = usual_sizes(task, data)
    dataset = dataset_of(task, data)
    source = dataset.locate(origin.source(task, data), cache)
    digest = origin.checked(task, source)
    if dataset.read_nodes is not None:
        graph = dataset.read_nodes(source)
        return NodeData(task, source, digest, graph, _split_nodes(task, graph, data, seed))

    def opened(unchecked: bool) -> MoleculeStore:
        reading = dataset.reading + (" unchecked" if unchecked else "")
        read = partial(read_dataset, dataset, unchecked)
        return open_prepared(source, read, cutoff, cache, reading, digest)

    try:
        store = opened(bool(data.unchecked))
    except PhysicalCheckError as error:
        _add_to(error, task, opened(unchecked=True), data, seed)
        raise
    try:
        split, rare = _split_with_elements(task, store, data, seed)
        values, references = reduced_values(store, task, split.train)
        check_labels(task, values, split)
        normaliser = Normaliser.fit(values[split.train], task.targets, references)
    except ValueError as error:
        raise type(error)(f"{task.name} from {source}: {error}") from error
    return MoleculeData(task, source, digest, store, split, normaliser, values, rare)


def _add_to(
    error: PhysicalCheckError, task: Task, store: MoleculeStore, data: DataPlan, seed: int
) -> None:
    """Adds further problems of a file to its error, so that one error has all problems."""
    try:
        _split_with_elements(task, store, data, seed)
    except ValueError as other:
        raise PhysicalCheckError(f"{error}\n{other}") from error


def _split_with_elements(
    task: Task, store: MoleculeStore, data: DataPlan, seed: int
) -> tuple[Split, str]:
    # Small parts of public datasets are common, and their free-atom energies are published.
    usual: Then = "refuse" if task.dataset.startswith(FILE) else "tell"
    return with_rare_elements(store, split_store(store, data, seed), data.rare_elements or usual)


def split_store(store: MoleculeStore, data: DataPlan, seed: int) -> Split:
    """The split of a data plan with given sizes.

    Raises:
        ValueError: There is no such split, or too few molecules.
    """
    sizes = _sizes(data)
    kind = data.split or RANDOM
    if kind == RANDOM:
        return grouped_split(store.copies, sizes, seed)
    if kind == SCAFFOLD:
        return scaffold_split(store.groups, sizes, seed)
    return published_split(kind, store.parts, len(store), sizes, seed)


def _sizes(data: DataPlan) -> SplitSizes:
    return SplitSizes(data.n_train or 0, data.n_val or 0, data.n_test)


def _split_nodes(task: Task, graph: NodeGraph, data: DataPlan, seed: int) -> Split:
    if data.split == RANDOM:
        return split_molecules(len(graph.labels), _sizes(data), seed)
    if data.split not in (None, PUBLIC):
        raise ValueError(
            f"{task.name}: there is no split {data.split}; the splits are {PUBLIC}, {RANDOM}"
        )
    split = Split(*(graph.parts[part] for part in ("train", "val", "test")))
    if (data.n_train, data.n_val) != (len(split.train), len(split.val)):
        raise ValueError(
            f"{task.name}: the public split has n_train = {len(split.train)} and n_val = "
            f"{len(split.val)}, but the study has {data.n_train} and {data.n_val}; "
            f"data.split: {RANDOM} takes any sizes"
        )
    return split
