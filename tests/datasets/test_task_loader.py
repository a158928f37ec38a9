import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lkm_tune.datasets import (
    TASKS,
    DataError,
    Origin,
    TaskData,
    content_digest,
    load_task,
    open_prepared,
)
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9
from lkm_tune.datasets.task_samples import fitted_references, reduced_values
from lkm_tune.study import DataPlan

LoadSample = Callable[..., TaskData]
WriteQm9 = Callable[..., Path]


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("qm9/")])
def test_every_task_of_the_sample_loads(load_sample: LoadSample, name: str):
    data = load_sample(name)
    assert data.task is TASKS[name] and data.source == SAMPLE
    assert [len(data.split.part(p)) for p in ("train", "val", "test")] == [500, 300, 400]
    _, target = data.batch(data.split.train, dtype=torch.float64)
    assert target.shape == (500, 1)
    assert float(target.mean()) == pytest.approx(0, abs=1e-9)
    assert float(target.std(correction=0)) == pytest.approx(1)


def test_atomisation_energies_of_methane_and_water(tmp_path: Path, write_qm9: WriteQm9):
    store = open_prepared(write_qm9(), read_qm9, 5.0, tmp_path / "cache")
    train = np.array([0, 1])
    (methane, water), (references,) = reduced_values(store, TASKS["qm9/U0"], train)
    assert references == TASKS["qm9/U0"].targets[0].references
    assert methane == pytest.approx(-40.47893 + 37.846772 + 4 * 0.500273, abs=1e-9)
    assert water == pytest.approx(-76.404702 + 75.064579 + 2 * 0.500273, abs=1e-9)
    values, references = reduced_values(store, TASKS["qm9/gap"], train)
    assert values.tolist() == [[0.5048], [0.3615]] and references == ((),)


def test_energies_of_the_sample_spread_like_those_of_all_of_qm9(load_sample: LoadSample):
    """All of QM9: −76.116 eV, standard deviation 10.324 eV."""
    data = load_sample("qm9/U0")
    in_ev = data.values * data.task.targets[0].factor / 1000
    assert in_ev.mean() == pytest.approx(-76.116, abs=0.6)
    assert in_ev.std() == pytest.approx(10.324, rel=0.05)


def test_targets_belong_to_their_molecules(load_sample: LoadSample):
    data = load_sample("qm9/gap")
    chosen = data.split.val[[7, 3, 3]]
    batch, target = data.batch(chosen, dtype=torch.float64)
    raw = data.store.targets["gap"][chosen]
    in_mev = data.normaliser.to_unit(target.numpy())[:, 0]
    assert in_mev == pytest.approx(raw * 27211.386245988)
    assert batch.n_graphs == 3
    assert batch.z[batch.graph_index == 1].tolist() == batch.z[batch.graph_index == 2].tolist()


def test_batches_come_without_warnings_in_the_type_asked_for(load_sample: LoadSample):
    data = load_sample()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (torch.float32, torch.float64):
            batch, target = data.batch(torch.tensor([3, 1]), torch.device("cpu"), dtype)
            assert batch.pos.dtype == target.dtype == dtype
            batch.pos.add_(1)
            target.add_(1)
    first, _ = data.batch([3])
    again, _ = data.batch([3])
    assert torch.equal(first.pos, again.pos)


def test_labels_outside_the_training_part_change_nothing_of_the_scale(
    load_sample: LoadSample, cache: Path, tmp_path: Path
):
    honest = load_sample("qm9/mu")
    with np.load(SAMPLE) as archive:
        arrays = {name: archive[name] for name in archive.files}

    def load_with_mu_of(molecules: np.ndarray) -> TaskData:
        mu = arrays["mu"].copy()
        mu[molecules[arrays["index"][molecules] != 62]] = 39.0
        path = tmp_path / "poisoned.npz"
        np.savez(path, **{**arrays, "mu": mu})
        plan = DataPlan(source=str(path), n_train=500, n_val=300, n_test=400)
        return load_task("qm9/mu", plan, 1, honest.store.cutoff, cache)

    outside = np.setdiff1d(np.arange(3000), honest.split.train)
    poisoned = load_with_mu_of(outside)
    assert poisoned.normaliser == honest.normaliser
    assert poisoned.mean_errors("train") == honest.mean_errors("train")
    assert poisoned.mean_errors("test") > 10 * honest.mean_errors("test")
    assert load_with_mu_of(honest.split.train[:5]).normaliser != honest.normaliser


def test_error_of_predicting_the_training_mean(load_sample: LoadSample):
    data = load_sample("qm9/U0")
    for part in ("train", "val", "test"):
        _, target = data.batch(data.split.part(part), dtype=torch.float64)
        zeros = torch.zeros_like(target)
        expected = data.normaliser.errors(zeros, target).mean()
        assert data.mean_errors(part) == pytest.approx(float(expected))
    assert 6000 < data.mean_errors("test") < 10_000  # meV; all of QM9: about 8,000


def test_one_seed_is_one_split(load_sample: LoadSample):
    first, again, other = load_sample(seed=1), load_sample("qm9/mu", seed=1), load_sample(seed=2)
    assert np.array_equal(first.split.train, again.split.train)
    assert not np.array_equal(first.split.train, other.split.train)


def test_an_element_without_an_atom_energy_is_refused(load_sample: LoadSample):
    data = load_sample()
    (target,) = data.task.targets
    without_fluorine = replace(
        data.task, targets=(replace(target, references=target.references[:-1]),)
    )
    with pytest.raises(
        DataError, match=r"atomic numbers \[9\]; it has energies for \[1, 6, 7, 8\]"
    ):
        reduced_values(data.store, without_fluorine, data.split.train)


def test_fitted_atom_energies_are_those_of_the_training_part(load_sample: LoadSample):
    """The fit recovers energies that are sums over atoms; only the training part counts."""
    data = load_sample()
    known = dict(data.task.targets[0].references)
    sums = np.add.reduceat([known[int(z)] for z in data.store.z], data.store.atom_offsets[:-1])
    sums[data.split.test] = 0.0
    fitted = dict(fitted_references(data.store, sums, data.split.train))
    assert fitted == pytest.approx(known, abs=1e-9)


def test_several_targets_are_one_column_each(load_sample: LoadSample):
    several, gap = load_sample("qm9/homo+GAP"), load_sample("qm9/gap")
    assert several.task.name == "qm9/homo+gap" and several.task.unit == "σ"
    _, target = several.batch([5, 9], dtype=torch.float64)
    assert target.shape == (2, 2)
    assert torch.equal(target[:, 1:], gap.batch([5, 9], dtype=torch.float64)[1])
    assert several.mean_errors("val")[1:] == pytest.approx(gap.mean_errors("val"))


def test_too_many_molecules_names_task_file_and_numbers(load_sample: LoadSample):
    with pytest.raises(ValueError, match=r"qm9/mu from .*qm9\.npz: .*2900 \+ 300 .* > 3000"):
        load_sample("qm9/mu", n_train=2900, n_test=None)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("file:set/t.csv", None),
        ("file:~/set/t.csv", None),
        ("file:{folder}/set/t.csv", None),
        ("qm9/homo", "set/qm9.npz"),
        ("qm9/homo", "~/set"),
        ("qm9/homo", "{folder}/set"),
    ],
)
def test_paths_are_seen_from_the_folder_that_the_origin_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, name: str, written: str | None
):
    elsewhere = tmp_path / "elsewhere"
    for folder in (tmp_path / "set", elsewhere):
        folder.mkdir()
    rows = "".join(f"{'C' * n},{n}\n" for n in range(1, 9))
    (tmp_path / "set/t.csv").write_text(f"smiles,y\n{rows}")
    shutil.copy(SAMPLE, tmp_path / "set/qm9.npz")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(elsewhere)
    source = written and written.format(folder=tmp_path)
    data = DataPlan(source=source, n_train=4, n_val=2, target=None if written else "y")
    found = load_task(name.format(folder=tmp_path), data, 0, 5.0, cache, Origin(tmp_path))
    assert found.source.parent == tmp_path / "set"
    assert found.digest == content_digest(found.source)
    with pytest.raises(
        DataError, match=f"has the SHA-256 {found.digest}, but the expected SHA-256 is 5cf5:"
    ):
        load_task(
            name.format(folder=tmp_path), data, 0, 5.0, cache, Origin(tmp_path, digest="5cf5")
        )
