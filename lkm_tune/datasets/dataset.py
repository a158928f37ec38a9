"""What a dataset is: its tasks in their units, where it lies, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lkm_tune.datasets.molecules import Molecules

if TYPE_CHECKING:
    from lkm_tune.datasets.nodes import NodeGraph

HARTREE_IN_KCAL_MOL = 627.5094740631
HARTREE_IN_MEV = 27211.386245988
"""One Hartree in meV (CODATA 2018)."""
KCAL_IN_MEV = HARTREE_IN_MEV / HARTREE_IN_KCAL_MOL
BOHR = 0.529177210903
"""In Å (CODATA 2018)."""

AtomReferences = tuple[tuple[int, float], ...]

Sizes = tuple[int, int] | None
"""Samples to train and to validate on; the rest is tested on."""


@dataclass(frozen=True)
class Target:
    """One property of a molecule or node.

    Attributes:
        name: In the dataset.
        meaning: In words.
        raw_unit: Unit of the dataset's file.
        unit: Unit in which errors are reported, as in the literature.
        factor: One raw unit in `unit`.
        references: (atomic number, energy of the free atom in the raw unit) pairs that are taken
            off each molecule's value; empty for properties that are no sum over atoms.
        fit_references: Whether such energies are fitted to the training part instead.
    """

    name: str
    meaning: str
    raw_unit: str
    unit: str
    factor: float = 1.0
    references: AtomReferences = ()
    fit_references: bool = False


@dataclass(frozen=True)
class Task:
    """What is learnt together.

    Attributes:
        name: As written in a study file, `qm9/homo`.
        dataset: The dataset that holds it, `qm9`.
        targets: The properties; one but for tasks such as `qm9/homo+lumo`.
        forces: Whether the target is an energy whose negative slope is learnt with it.
        classes: Whether the target is the class of a node, and no number.
        geometry: Whether the positions of the atoms are known.
    """

    name: str
    dataset: str
    targets: tuple[Target, ...]
    forces: bool = False
    classes: bool = False
    geometry: bool = True

    @property
    def unit(self) -> str:
        """Of the error that runs are judged by; several targets are judged in their spreads."""
        return self.targets[0].unit if len(self.targets) == 1 else "σ"

    @property
    def meaning(self) -> str:
        """The targets in words."""
        return ", ".join(target.meaning for target in self.targets)


@dataclass(frozen=True)
class Dataset:
    """All that lkm-tune knows of one dataset.

    Attributes:
        name: As tasks name it, `qm9` or `md17/ethanol`.
        tasks: What may be learnt from it.
        locate: Turns a study's `source`, and the cache folder or None for the default, into a
            path.
        read: Reads the file at that path. Its physical checks are left out where the second
            argument is true.
        sizes: What is usual for a `source`; None where it must be given.
        reading: What tells this way of reading the file from others.
        read_nodes: Reads a graph of nodes, where the dataset is one.
        cautions: SHA-256 of a file to the sentence that must stand beside every result on it.
        formula: Of the one molecule that the file must hold, in Hill's order; empty where it may
            hold any.
    """

    name: str
    tasks: tuple[Task, ...]
    locate: Callable[[str, Path | None], Path]
    read: Callable[[Path, bool], Molecules]
    sizes: Callable[[str], Sizes]
    reading: str = ""
    read_nodes: "Callable[[Path], NodeGraph] | None" = None
    cautions: Mapping[str, str] = field(default_factory=dict)
    formula: str = ""


def usual(n_train: int, n_val: int) -> Callable[[str], Sizes]:
    """The same sizes for every source."""
    return lambda source: (n_train, n_val)
