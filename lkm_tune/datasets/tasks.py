"""Learning tasks by name: which property of which dataset, in which unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lkm_tune.datasets.md17 import NAMES
from lkm_tune.datasets.pubchem import TARGET
from lkm_tune.datasets.trajectory import HARTREE_IN_KCAL_MOL
from lkm_tune.study import DataPlan

HARTREE_IN_MEV = 27211.386245988
"""One Hartree in meV (CODATA 2018)."""
KCAL_IN_MEV = HARTREE_IN_MEV / HARTREE_IN_KCAL_MOL

FILE = "file:"
"""How the names of tasks on a user's own file begin; the path follows."""

AtomReferences = tuple[tuple[int, float], ...]


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


# Energies of the free atoms at B3LYP/6-31G(2df,p), Hartree, published with QM9 (`atomref.txt`).
_U0 = ((1, -0.500273), (6, -37.846772), (7, -54.583861), (8, -75.064579), (9, -99.718730))
_U = ((1, -0.498857), (6, -37.845355), (7, -54.582445), (8, -75.063163), (9, -99.717314))
_H = ((1, -0.497912), (6, -37.844411), (7, -54.581501), (8, -75.062219), (9, -99.716370))
_G = ((1, -0.510927), (6, -37.861317), (7, -54.598897), (8, -75.079532), (9, -99.733544))


def _energy(name: str, meaning: str, references: AtomReferences = ()) -> Target:
    """A target whose file holds Hartree and whose errors are told in meV."""
    return Target(name, meaning, "Hartree", "meV", HARTREE_IN_MEV, references)


_QM9 = (
    Target("mu", "dipole moment", "D", "D"),
    Target("alpha", "isotropic polarisability", "a0³", "a0³"),
    _energy("homo", "energy of the highest occupied orbital"),
    _energy("lumo", "energy of the lowest unoccupied orbital"),
    _energy("gap", "gap between the two"),
    Target("r2", "electronic spatial extent", "a0²", "a0²"),
    _energy("zpve", "zero-point vibrational energy"),
    _energy("U0", "internal energy at 0 K, less its atoms", _U0),
    _energy("U", "internal energy at 298.15 K, less its atoms", _U),
    _energy("H", "enthalpy at 298.15 K, less its atoms", _H),
    _energy("G", "free energy at 298.15 K, less its atoms", _G),
    Target("Cv", "heat capacity at 298.15 K", "cal/mol/K", "cal/mol/K"),
)
QM9_TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in _QM9})
"""The twelve properties of QM9 by name."""


def _trajectory(dataset: str, molecule: str) -> Task:
    # Errors on MD17 are told in kcal/mol in the literature, those on revised MD17 in meV.
    revised = dataset == "rmd17"
    unit, factor = ("meV", KCAL_IN_MEV) if revised else ("kcal/mol", 1.0)
    meaning = f"energy of {molecule}, {'revised' if revised else 'original'} labels"
    name = f"{dataset}/{molecule}"
    return Task(name, name, (Target("energy", meaning, "kcal/mol", unit, factor),), forces=True)


_CHIGNOLIN = Target(
    "energy", "energy of Chignolin, less its atoms", "Hartree", "kcal/mol", HARTREE_IN_KCAL_MOL,
    fit_references=True,
)  # fmt: skip
_GAP = Target(TARGET, "gap between the frontier orbitals", "eV", "eV")
_TOPIC = Target("topic", "topic of a paper, by citations and words", "class", "error rate")

_TASKS = (
    *(Task(f"qm9/{target.name}", "qm9", (target,)) for target in _QM9),
    *(_trajectory(set_, name) for set_ in ("md17", "rmd17") for name in NAMES),
    Task("chignolin", "chignolin", (_CHIGNOLIN,), forces=True),
    Task("cora", "cora", (_TOPIC,), classes=True, geometry=False),
    Task("pubchem/gap", "pubchem", (_GAP,), geometry=False),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _TASKS})
"""Every task of a public dataset by its name."""


def find_task(name: str, data: DataPlan | None = None) -> Task:
    """Returns the task of this name; upper and lower case mean the same.

    Several properties of QM9 that are learnt at once are joined, as `qm9/homo+lumo`. `file:PATH`
    is a user's own file, of which `data` says the target.

    Raises:
        ValueError: There is no such task; the message lists those that exist.
    """
    given = name.strip()
    if given.lower().startswith(FILE):
        return _own_task(FILE + given[len(FILE) :].strip(), data or DataPlan())
    by_lower_case = {known.lower(): task for known, task in TASKS.items()}
    task = by_lower_case.get(given.lower())
    if task is None and given.lower().startswith("qm9/") and "+" in given:
        task = _several(given, by_lower_case)
    if task is None:
        raise ValueError(
            f"no task is named {name!r}; the tasks are {', '.join(TASKS)}, several of QM9 at once "
            "(qm9/homo+lumo), or file:PATH"
        )
    return task


def _several(name: str, known: Mapping[str, Task]) -> Task | None:
    tasks = [known.get(f"qm9/{part.strip().lower()}") for part in name[len("qm9/") :].split("+")]
    targets = tuple(target for task in tasks if task is not None for target in task.targets)
    if None in tasks or len(set(targets)) < len(targets):
        return None
    return Task(f"qm9/{'+'.join(target.name for target in targets)}", "qm9", targets)


def _own_task(name: str, data: DataPlan) -> Task:
    path = name[len(FILE) :]
    if not path:
        raise ValueError("file: needs the path of a file behind it, as file:molecules.xyz")
    table = path.lower().endswith((".csv", ".csv.gz"))
    if table and data.forces:
        raise ValueError(f"{name}: a table of SMILES has no forces, but data.forces is given")
    key = data.target or ("" if table else "energy")
    if not key:
        raise ValueError(f"{name}: the column to learn must be named by data.target")
    # What ASE reads is in its own units where the file does not say otherwise.
    unit = data.unit or ("" if table else "eV")
    per_atom = bool(data.forces) if data.atom_energies is None else data.atom_energies
    target = Target(key, f"{key} of {path}", unit, unit, fit_references=per_atom)
    return Task(name, name, (target,), forces=bool(data.forces), geometry=not table)
