"""A user's file as a dataset with one task, described by the study's data plan."""

from functools import partial
from pathlib import Path

from lkm_tune.datasets.causes import hartree_in
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.dataset import Dataset, Target, Task
from lkm_tune.datasets.file_kinds import is_sdf, is_table
from lkm_tune.datasets.molecules import Molecules
from lkm_tune.study import DataPlan

FILE = "file:"
"""Prefix of the tasks of a user's file, before its path."""

SEVERAL = " + "
"""The text between the names of several targets, with spaces: names of columns have a bare `+`."""

Targets = tuple[Target, ...]


def own_task(name: str, data: DataPlan) -> Task:
    """The task of a file.

    Args:
        name: `file:PATH`.
        data: The target and its unit.

    Raises:
        ValueError: The path is missing, or the plan does not fit the kind of file.
    """
    path = name[len(FILE) :]
    if not path:
        raise ValueError("file: must be followed by the path of a file, as in file:molecules.xyz")
    table, sdf = is_table(path), is_sdf(path)
    listed = table or sdf
    if listed and data.forces:
        kind = "a table of SMILES" if table else "an SDF file"
        raise ValueError(f"{name}: {kind} has no forces, but data.forces is given")
    key = data.target or ("" if listed else "energy")
    if not key:
        what = "data field" if sdf else "column"
        raise ValueError(f"{name}: the {what} to learn must be named by data.target")
    # ASE's units apply unless the plan has a unit.
    unit = data.unit or ("" if listed else "eV")
    per_atom = bool(data.forces) if data.atom_energies is None else data.atom_energies
    names = key.split(SEVERAL) if listed else [key]
    if len(set(names)) < len(names) or not all(names):
        raise ValueError(f"{name}: data.target must name each target once, but is {key!r}")
    targets = tuple(
        Target(one, f"{one} of {path}", unit, unit, fit_references=per_atom) for one in names
    )
    placed = not table or data.conformer is not None
    return Task(name, name, targets, forces=bool(data.forces), geometry=placed)


def own_dataset(task: Task, data: DataPlan) -> Dataset:
    """The dataset of a task of `own_task`."""
    path = task.name.removeprefix(FILE)
    names, unit = [target.name for target in task.targets], task.targets[0].unit
    reader = _read_xyz
    if is_table(path):
        reader = _read_table
    if is_sdf(path):
        reader = _read_sdf
    return Dataset(
        task.name,
        (task,),
        # `Origin.source` takes the path from the name of the task.
        locate=lambda source, cache: Path(source),
        read=partial(reader, targets=task.targets, data=data),
        sizes=lambda source: None,
        reading=f"{SEVERAL.join(names)} {data.forces} {data.smiles} {unit} {Cleaning.of(data)}",
    )


# The imports of ASE and RDKit take a second, which other datasets do not need.


def _read_xyz(path: Path, unchecked: bool, targets: Targets, data: DataPlan) -> Molecules:
    from lkm_tune.datasets.xyz import read_xyz

    (target,) = targets
    return read_xyz(path, target.name, data.forces, target.unit, unchecked)


def _read_table(path: Path, unchecked: bool, targets: Targets, data: DataPlan) -> Molecules:
    from lkm_tune.datasets.smiles import read_smiles

    names = [target.name for target in targets]
    return read_smiles(path, names, data.smiles or "smiles", Cleaning.of(data))


def _read_sdf(path: Path, unchecked: bool, targets: Targets, data: DataPlan) -> Molecules:
    from lkm_tune.datasets.physics import check_physics
    from lkm_tune.datasets.sdf import read_sdf

    molecules = read_sdf(path, [target.name for target in targets], Cleaning.of(data))
    if molecules.pos is not None and not unchecked:
        for target in targets:
            check_physics(molecules, target.name, hartree_in(target.unit))
    return molecules
