import subprocess
import sys

import pytest

from lkm_tune.datasets import DATASETS, TASKS, DataError, find_task
from lkm_tune.datasets.qm9 import QM9_TARGETS
from lkm_tune.study import DataPlan

# Units of the errors in the literature's tables, and one raw unit of the file in them.
UNITS = {
    "mu": ("D", 1),
    "alpha": ("a0³", 1),
    "homo": ("meV", 27211.386),
    "lumo": ("meV", 27211.386),
    "gap": ("meV", 27211.386),
    "r2": ("a0²", 1),
    "zpve": ("meV", 27211.386),
    "U0": ("meV", 27211.386),
    "U": ("meV", 27211.386),
    "H": ("meV", 27211.386),
    "G": ("meV", 27211.386),
    "Cv": ("cal/mol/K", 1),
}


def test_the_twelve_tasks_of_qm9_in_the_units_of_the_literature():
    assert [t for t in TASKS if t.startswith("qm9")] == [f"qm9/{target}" for target in UNITS]
    for target, (unit, factor) in UNITS.items():
        task = TASKS[f"qm9/{target}"]
        (learnt,) = task.targets
        assert (task.dataset, learnt.name, task.unit) == ("qm9", target, unit)
        assert learnt.factor == pytest.approx(factor, rel=1e-7)
        assert bool(learnt.references) == (target in ("U0", "U", "H", "G"))


@pytest.mark.parametrize("name", ["qm9/U0", "qm9/u0", "QM9/U0", " qm9/U0 "])
def test_case_does_not_matter(name: str):
    assert find_task(name) is TASKS["qm9/U0"]


@pytest.mark.parametrize(
    "name",
    ["qm9/u00", "homo", "", "md17/methane", "qm9/homo+homo", "qm9/homo+x", "md17/ethanol+toluene"],
)
def test_an_unknown_task_is_refused_with_all_names(name: str):
    with pytest.raises(ValueError) as error:
        find_task(name)
    assert repr(name) in str(error.value)
    assert all(known in str(error.value) for known in TASKS)


def test_atom_references_differ_by_the_thermal_energy_of_a_free_atom():
    """U − U0 = 3/2 RT, H − U = RT at 298.15 K, for every element."""
    rt = 0.00094421
    u0, u, h = (dict(QM9_TARGETS[name].references) for name in ("U0", "U", "H"))
    assert set(u0) == {1, 6, 7, 8, 9}
    for z in u0:
        assert u[z] - u0[z] == pytest.approx(1.5 * rt, abs=2e-6)
        assert h[z] - u[z] == pytest.approx(rt, abs=2e-6)


def test_a_file_of_ones_own_is_told_by_the_data_plan():
    frames = find_task("FILE:a/b.xyz", DataPlan(forces="forces"))
    (energy,) = frames.targets
    assert (frames.name, energy.name, energy.unit) == ("file:a/b.xyz", "energy", "eV")
    assert frames.forces and energy.fit_references and frames.geometry
    table = find_task("file:m.csv", DataPlan(target="logP"))
    (log_p,) = table.targets
    assert not (table.forces or table.geometry or log_p.fit_references)
    for name, plan, rule in [
        ("file:", DataPlan(), "followed by the path"),
        ("file:m.csv", DataPlan(), "named by data.target"),
        ("file:m.csv", DataPlan(target="x", forces="f"), "has no forces"),
    ]:
        with pytest.raises(ValueError, match=rule):
            find_task(name, plan)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_dataset_says_what_it_holds_and_refuses_a_path_without_it(dataset, tmp_path):
    for task in dataset.tasks:
        assert TASKS[task.name] is task and task.dataset == dataset.name
        assert task.unit and task.meaning
    assert min(dataset.sizes("auto")) > 0
    missing = str(tmp_path / "nothing")
    with pytest.raises(DataError, match=missing):
        dataset.locate(missing, None)


def test_the_names_are_known_without_torch():
    code = "import sys, lkm_tune.datasets; print({'torch', 'ase', 'rdkit'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
