"""The data of a task, in numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.molecules import Array
from lkm_tune.datasets.registry import caution
from lkm_tune.datasets.split import PUBLISHED, Part
from lkm_tune.datasets.task_samples import MoleculeData, NodeData, TaskData

PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Spread:
    """The distribution of a quantity.

    Attributes:
        name: Name of the quantity.
        unit: Unit of the following numbers.
        low: Minimum.
        high: Maximum.
        mean: Mean.
        std: Standard deviation.
    """

    name: str
    unit: str
    low: float
    high: float
    mean: float
    std: float

    @classmethod
    def of(cls, name: str, unit: str, values: Array) -> "Spread":
        """The distribution of an array of any shape."""
        number = values.astype(np.float64)
        return cls(
            name, unit, float(number.min()), float(number.max()), float(number.mean()),
            float(number.std()),
        )  # fmt: skip


@dataclass(frozen=True)
class Description:
    """The description of a task's data.

    Attributes:
        task: Name of the task.
        source: File or folder of the data.
        samples: Number of samples.
        spreads: Distributions of sizes, targets (minus free atoms, if subtracted) and forces.
        elements: Atomic numbers of the samples; empty for nodes.
        parts: Samples in `train`, `val` and `test`.
        mean_errors: Test error of predicting the training mean (or most frequent class), by target.
        splits: The valid splits.
        remarks: Remarks on molecules left out or changed, one sentence each.
        caution: The caution for results on these data; usually empty.
    """

    task: str
    source: str
    samples: int
    spreads: tuple[Spread, ...]
    elements: tuple[int, ...]
    parts: dict[str, int]
    mean_errors: dict[str, float]
    splits: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    caution: str = ""


def describe(data: TaskData) -> Description:
    """Describes the loaded data of a task, with their split."""
    parts: dict[str, int] = {part: len(data.split.part(part)) for part in PARTS}
    name, source = data.task.name, str(data.source)
    if isinstance(data, NodeData):
        errors = {data.task.targets[0].name: data.mean_error("test")}
        return Description(
            name, source, len(data.graph.labels), tuple(_of_nodes(data)), (), parts, errors,
            ("public", "random"),
        )  # fmt: skip
    scales = data.normaliser.scales
    errors = dict(zip((s.name for s in scales), data.mean_errors("test").tolist(), strict=True))
    if data.task.forces:
        errors["forces"] = data.mean_force_error("test")
    spreads = tuple(_of_molecules(data))
    return Description(
        name, source, len(data.store), spreads, data.elements, parts, errors, _splits(data),
        data.notes, caution(content_digest(data.source)),
    )  # fmt: skip


def _of_molecules(data: MoleculeData) -> Iterator[Spread]:
    store = data.store
    yield Spread.of("atoms", "per molecule", np.diff(store.atom_offsets))
    yield Spread.of("bonds", "per molecule", np.diff(store.bond_offsets) // 2)
    if data.task.geometry:
        neighbours = np.diff(store.edge_offsets) / np.diff(store.atom_offsets)
        yield Spread.of(f"neighbours within {store.cutoff:g} Å", "per atom", neighbours)
    for column, scale in enumerate(data.normaliser.scales):
        less = ", less its atoms" if scale.references else ""
        yield Spread.of(
            scale.name + less, scale.unit, data.values[data.known[:, column], column] * scale.factor
        )
        if data.task.forces:
            forces = store.forces[scale.name]
            yield Spread.of("forces", f"{scale.unit}/Å", forces * np.float32(scale.factor))


def _of_nodes(data: NodeData) -> Iterator[Spread]:
    graph = data.graph
    labels, features = graph.labels.numpy(), graph.features.numpy()
    degrees = np.bincount(graph.edge_index[1].numpy(), minlength=len(labels))
    yield Spread.of("neighbours", "per node", degrees)
    yield Spread.of("features not 0", f"of {features.shape[1]}", (features != 0).sum(axis=1))
    yield Spread.of("nodes of a class", f"of {graph.classes}", np.bincount(labels))


def _splits(data: MoleculeData) -> tuple[str, ...]:
    store = data.store
    published = sorted(
        PUBLISHED + name.removeprefix("train_") for name in store.parts if name.startswith("train_")
    )
    alike = ["scaffold"] if len(np.unique(store.groups)) < len(store) else []
    return ("random", *alike, *published)
