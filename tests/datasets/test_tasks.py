import pytest

from lkm_tune.datasets import TASKS, find_task

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
    assert list(TASKS) == [f"qm9/{target}" for target in UNITS]
    for target, (unit, factor) in UNITS.items():
        task = TASKS[f"qm9/{target}"]
        assert (task.dataset, task.target, task.unit) == ("qm9", target, unit)
        assert task.factor == pytest.approx(factor, rel=1e-7)
        assert bool(task.references) == (target in ("U0", "U", "H", "G"))


@pytest.mark.parametrize("name", ["qm9/U0", "qm9/u0", "QM9/U0", " qm9/U0 "])
def test_case_does_not_matter(name: str):
    assert find_task(name) is TASKS["qm9/U0"]


@pytest.mark.parametrize("name", ["qm9/u00", "homo", "", "md17/ethanol"])
def test_an_unknown_task_is_refused_with_all_names(name: str):
    with pytest.raises(ValueError) as error:
        find_task(name)
    assert repr(name) in str(error.value)
    assert all(known in str(error.value) for known in TASKS)


def test_atom_references_differ_by_the_thermal_energy_of_a_free_atom():
    """U − U0 = 3/2 RT, H − U = RT at 298.15 K, for every element."""
    rt = 0.00094421
    u0, u, h = (dict(TASKS[f"qm9/{name}"].references) for name in ("U0", "U", "H"))
    assert set(u0) == {1, 6, 7, 8, 9}
    for z in u0:
        assert u[z] - u0[z] == pytest.approx(1.5 * rt, abs=2e-6)
        assert h[z] - u[z] == pytest.approx(rt, abs=2e-6)
