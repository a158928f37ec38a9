"""The datasets of the task names, and their usual sizes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import (
    TASKS,
    DataError,
    MoleculeData,
    NodeData,
    find_task,
    load_task,
    usual_sizes,
)
from lkm_tune.datasets.describe import describe
from lkm_tune.datasets.qm9 import SAMPLE
from lkm_tune.study import DataPlan

USUAL = {
    "qm9": (110_000, 10_000), "md17": (1_000, 1_000), "rmd17": (1_000, 1_000),
    "chignolin": (1_000, 200), "cora": (140, 500), "pubchem": (13_000, 1_600),
}  # fmt: skip


@pytest.mark.parametrize("name", list(TASKS))
def test_usual_sizes(name: str):
    plan = usual_sizes(TASKS[name], DataPlan())
    assert (plan.n_train, plan.n_val, plan.n_test) == (*USUAL[name.split("/")[0]], None)
    given = usual_sizes(TASKS[name], DataPlan(n_val=7, n_test=9))
    assert (given.n_val, given.n_test) == (7, 9)


def test_the_sample_and_a_file_of_ones_own_have_sizes_of_their_own(load_sample: Callable):
    assert usual_sizes(TASKS["qm9/mu"], DataPlan(source="sample")).n_train == 1000
    assert load_sample("qm9/mu").source == SAMPLE
    with pytest.raises(DataError, match=r"data\.n_train and data\.n_val must be given"):
        usual_sizes(find_task("file:a.xyz"), DataPlan(n_train=5))


def test_qm9_that_cannot_be_had_names_the_sample(tmp_path: Path):
    with pytest.raises(DataError, match=r"does not exist; .* with the source `sample`"):
        load_task("qm9/mu", DataPlan(source=str(tmp_path / "gone.npz")), 0, 5.0, tmp_path)


@pytest.mark.parametrize(
    ("name", "elements", "energy_error"),
    [("md17/ethanol", (1, 6, 8), None), ("rmd17/ethanol", (1, 6, 8), 150.0),
     ("chignolin", (1, 6, 7, 8), None)],
)  # fmt: skip
def test_frames_with_forces(
    shared: Path, cache: Path, name: str, elements: tuple[int, ...], energy_error: float | None
):
    """Energies are in the literature's unit, forces per Å on the same scale."""
    data = load_task(name, DataPlan(n_train=200, n_val=50, n_test=100), 0, 5.0, cache)
    assert isinstance(data, MoleculeData)
    assert data.elements == elements
    batch, energy = data.batch(data.split.test)
    forces = data.forces(data.split.test)
    assert forces.shape == batch.pos.shape and energy.shape == (100, 1)
    # Thermal motion: energies of frames spread by some kT per degree of freedom, not by Hartrees.
    assert abs(float(energy.mean())) < 1 and 0.5 < float(energy.std()) < 2
    if energy_error is not None:
        assert data.mean_errors("test")[0] == pytest.approx(energy_error, rel=0.15)  # meV
    told = describe(data)
    assert told.mean_errors["forces"] == pytest.approx(data.mean_force_error("test"))


def test_the_two_labels_of_md17_are_never_mixed(shared: Path, cache: Path):
    plan = DataPlan(n_train=200, n_val=50, n_test=100)
    old, new = (load_task(f"{kind}/ethanol", plan, 0, 5.0, cache) for kind in ("md17", "rmd17"))
    assert isinstance(old, MoleculeData) and isinstance(new, MoleculeData)
    energies = [data.store.targets["energy"] for data in (old, new)]
    assert np.array_equal(old.store.pos, new.store.pos)
    assert (energies[1] - energies[0]).mean() == pytest.approx(120.7, abs=1.0)
    assert old.split.test.tolist() == new.split.test.tolist()


def test_a_published_split_is_the_published_one(shared: Path, cache: Path):
    with np.load(shared / "rmd17/ethanol.npz") as archive:
        train, test = archive["split_train_02"], archive["split_test_02"]
    plan = DataPlan(split="published-02", n_train=1000, n_val=300)
    data = load_task("rmd17/ethanol", plan, 0, 5.0, cache)
    assert data.split.train.tolist() == sorted(train)
    assert data.split.test.tolist() == sorted(test)
    assert len(data.split.val) == 300
    assert not set(data.split.val) & (set(train) | set(test))
    with pytest.raises(ValueError, match="the splits are random, scaffold, published-01, "):
        load_task("rmd17/ethanol", DataPlan(split="published-9"), 0, 5.0, cache)
    with pytest.raises(ValueError, match=r"n_train must be 1\.\.1000 in the split published-02"):
        load_task("rmd17/ethanol", DataPlan(split="published-02", n_train=1001), 0, 5.0, cache)


def test_cora_has_its_public_split_and_any_random_one(shared: Path, cache: Path):
    data = load_task("cora", DataPlan(), 0, 1.0, cache)
    assert isinstance(data, NodeData)
    assert [len(data.split.part(part)) for part in ("train", "val", "test")] == [140, 500, 1000]
    assert data.mean_error("train") == pytest.approx(6 / 7)
    random = load_task("cora", DataPlan(split="random", n_train=99, n_val=50), 0, 1.0, cache)
    assert [len(random.split.part(part)) for part in ("train", "test")] == [99, 2708 - 149]
    with pytest.raises(
        ValueError, match="n_train = 140 and n_val = 500, but the study has 10 and 500"
    ):
        load_task("cora", DataPlan(n_train=10), 0, 1.0, cache)


def test_scaffolds_are_in_one_part_only(shared: Path, cache: Path):
    plan = DataPlan(split="scaffold", n_train=12_000, n_val=2_000)
    data = load_task("pubchem/gap", plan, 0, 5.0, cache)
    assert isinstance(data, MoleculeData)
    of_part = [set(data.store.groups[data.split.part(part)]) for part in ("train", "val", "test")]
    assert not (of_part[0] & of_part[1] or of_part[0] & of_part[2] or of_part[1] & of_part[2])
    assert [len(data.split.part(part)) for part in ("train", "val")] == [12_000, 2_000]
    assert data.store.edges.shape[1] == 0 and data.store.bonds.shape[1] > 0
