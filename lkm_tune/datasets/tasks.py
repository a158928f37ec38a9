"""Learning tasks by name: which property of which dataset, in which unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HARTREE_IN_MEV = 27211.386245988
"""One Hartree in meV (CODATA 2018)."""

AtomReferences = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Task:
    """One property to learn.

    Attributes:
        name: As written in a study file, `qm9/homo`.
        dataset: The dataset that holds it, `qm9`.
        target: Name of the property in the dataset's file.
        meaning: The property in words.
        raw_unit: Unit of the dataset's file.
        unit: Unit in which errors are reported, as in the literature.
        factor: One raw unit in `unit`.
        references: (atomic number, energy of the free atom in the raw unit) pairs that are taken
            off each molecule's value; empty for properties that are no sum over atoms.
    """

    name: str
    dataset: str
    target: str
    meaning: str
    raw_unit: str
    unit: str
    factor: float = 1.0
    references: AtomReferences = ()


# Energies of the free atoms at B3LYP/6-31G(2df,p), Hartree, published with QM9 (`atomref.txt`).
_U0 = ((1, -0.500273), (6, -37.846772), (7, -54.583861), (8, -75.064579), (9, -99.718730))
_U = ((1, -0.498857), (6, -37.845355), (7, -54.582445), (8, -75.063163), (9, -99.717314))
_H = ((1, -0.497912), (6, -37.844411), (7, -54.581501), (8, -75.062219), (9, -99.716370))
_G = ((1, -0.510927), (6, -37.861317), (7, -54.598897), (8, -75.079532), (9, -99.733544))


def _energy(target: str, meaning: str, references: AtomReferences = ()) -> Task:
    """A QM9 task whose file holds Hartree and whose errors are told in meV."""
    return Task(
        f"qm9/{target}", "qm9", target, meaning, "Hartree", "meV", HARTREE_IN_MEV, references
    )


def _plain(target: str, meaning: str, unit: str) -> Task:
    """A QM9 task that is reported in the unit of the file."""
    return Task(f"qm9/{target}", "qm9", target, meaning, unit, unit)


_QM9_TASKS = (
    _plain("mu", "dipole moment", "D"),
    _plain("alpha", "isotropic polarisability", "a0³"),
    _energy("homo", "energy of the highest occupied orbital"),
    _energy("lumo", "energy of the lowest unoccupied orbital"),
    _energy("gap", "gap between the two"),
    _plain("r2", "electronic spatial extent", "a0²"),
    _energy("zpve", "zero-point vibrational energy"),
    _energy("U0", "internal energy at 0 K, less its atoms", _U0),
    _energy("U", "internal energy at 298.15 K, less its atoms", _U),
    _energy("H", "enthalpy at 298.15 K, less its atoms", _H),
    _energy("G", "free energy at 298.15 K, less its atoms", _G),
    _plain("Cv", "heat capacity at 298.15 K", "cal/mol/K"),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _QM9_TASKS})
"""Every task by its name."""


def find_task(name: str) -> Task:
    """Returns the task of this name; upper and lower case mean the same.

    Raises:
        ValueError: There is no such task; the message lists those that exist.
    """
    by_lower_case = {known.lower(): task for known, task in TASKS.items()}
    task = by_lower_case.get(name.strip().lower())
    if task is None:
        raise ValueError(f"no task is named {name!r}; the tasks are {', '.join(TASKS)}")
    return task
