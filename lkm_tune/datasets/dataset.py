"""The description of a dataset: its tasks with their units, its place and its reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lkm_tune.datasets.molecules import Molecules

if TYPE_CHECKING:
    from lkm_tune.datasets.node_graph import NodeGraph

HARTREE_IN_KCAL_MOL = 627.5094740631
HARTREE_IN_MEV = 27211.386245988
"""One Hartree in meV (CODATA 2018)."""
KCAL_IN_MEV = HARTREE_IN_MEV / HARTREE_IN_KCAL_MOL
BOHR = 0.529177210903
"""One bohr in Å (CODATA 2018)."""

AtomReferences = tuple[tuple[int, float], ...]

Sizes = tuple[int, int] | None
"""Numbers of training and validation samples; the rest is the test part."""


@dataclass(frozen=True)
class Target:
    """One property of a molecule or node.

    Attributes:
        name: Name in the dataset.
        meaning: Meaning in words.
        raw_unit: Unit of the dataset's file.
        unit: Unit of reported errors, as in the literature.
        factor: One raw unit in `unit`.
        references: (atomic number, energy of the free atom in the raw unit) pairs, subtracted from
            each molecule's value; empty for properties that are no sum over atoms.
        fit_references: Whether the training part determines these energies instead.
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
    """Targets that a network learns together.

    Attributes:
        name: Name in a study file, `qm9/homo`.
        dataset: Name of its dataset, `qm9`.
        targets: The properties; one, except in tasks such as `qm9/homo+lumo`.
        forces: Whether the task also learns the forces of its energy.
        classes: Whether the target is the class of a node.
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
        """Unit of the error that ranks runs; for several targets, the error is in units of σ."""
        return self.targets[0].unit if len(self.targets) == 1 else "σ"

    @property
    def meaning(self) -> str:
        """The targets in words."""
        return ", ".join(target.meaning for target in self.targets)


@dataclass(frozen=True)
class Dataset:
    """A dataset.

    Attributes:
        name: Name in tasks, `qm9` or `md17/ethanol`.
        tasks: The tasks of the dataset.
        locate: Turns a study's `source`, and the cache folder or None for the default, into a
            path.
        read: Reads the file at that path, without physical checks if the second argument is true.
        sizes: Gives the usual sizes for a `source`; None if the user must give them.
        reading: Parameters of `read`, as text; stores of other parameters are separate.
        read_nodes: Reads a graph of nodes, if the dataset is one.
        cautions: SHA-256 of a file -> a sentence for every result on it.
        formula: Formula of the file's molecule, in Hill's order; empty if any molecule is valid.
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
