"""A user's own file as a dataset with one task; the study's data plan says what is in it."""

from functools import partial
from pathlib import Path

from lkm_tune.datasets.dataset import Dataset, Target, Task
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.study import DataPlan

FILE = "file:"
"""How the names of tasks on a user's own file begin; the path follows."""


def own_task(name: str, data: DataPlan) -> Task:
    """The task on a file.

    Args:
        name: `file:PATH`.
        data: Which target, in which unit.

    Raises:
        ValueError: There is no path, or the plan does not fit the kind of file.
    """
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


def own_dataset(task: Task, data: DataPlan) -> Dataset:
    """The dataset that a task of `own_task` is learnt from."""
    (target,) = task.targets
    read = partial(
        _read_xyz if task.geometry else _read_table,
        target=target.name,
        beside=data.forces if task.geometry else data.smiles,
    )
    reading = f"{target.name} {data.forces} {data.smiles}"
    return Dataset(
        task.name,
        (task,),
        # The name of the task is where it lies, as `Origin.source` says.
        locate=lambda source, cache: Path(source),
        read=read,
        sizes=lambda source: None,
        reading=reading,
    )


# ASE and RDKit take a second to import, which no other dataset should wait for.


def _read_xyz(path: Path, target: str, beside: str | None) -> Molecules:
    from lkm_tune.datasets.xyz import read_xyz

    return read_xyz(path, target, beside)


def _read_table(path: Path, target: str, beside: str | None) -> Molecules:
    from lkm_tune.datasets.smiles import read_smiles

    return read_smiles(path, (target,), beside or "smiles")
