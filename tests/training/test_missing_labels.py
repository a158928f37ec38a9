"""Several targets of a table, of which molecules may lack some: missing values teach nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lkm_tune.datasets import DataError, load_task
from lkm_tune.models import build_model
from lkm_tune.study import DataPlan, TrainingPlan
from lkm_tune.training.make_objective import make_objective

NAMES = ["C" * n + end for n in range(1, 17) for end in ("", "O", "N", "F")]
PLAN = DataPlan(target="a + b", n_train=32, n_val=12)


def data(path, cache, b_of=lambda k: f"{k / 7:.3f}" if k % 3 else "", plan=PLAN):
    lines = [f"{name},{len(name)},{b_of(k)}" for k, name in enumerate(NAMES)]
    path.write_text("\n".join(["smiles,a,b", *lines]) + "\n")
    return load_task(f"file:{path}", plan, 0, 5.0, cache)


def test_the_loss_and_the_errors_are_means_over_the_values_that_are_known(tmp_path):
    found = data(tmp_path / "t.csv", tmp_path / "cache")
    objective = make_objective(found, TrainingPlan(), torch.device("cpu"))
    torch.manual_seed(0)
    network = build_model("gin", hidden=8, depth=2, outputs=2)
    train = found.split.train
    known = np.array([[True, entry % 3 != 0] for entry in found.store.ids])
    assert np.array_equal(found.known, known) and not known[train].all()
    raw = np.array([[len(NAMES[entry]), round(entry / 7, 3)] for entry in found.store.ids])
    mean, std = [
        np.array([f(raw[train][known[train][:, k], k]) for k in range(2)])
        for f in (np.mean, np.std)
    ]
    assert [scale.mean for scale in found.normaliser.scales] == pytest.approx(mean)

    def part_of_loss(part):
        return objective.loss(network, objective.samples(network, part, train))

    loss = part_of_loss(train)
    gaps = np.abs(loss.output.prediction.detach().numpy() - (raw - mean)[train] / std)
    assert float(loss.prediction.detach()) == pytest.approx(gaps[known[train]].mean(), rel=1e-5)
    parts = [part_of_loss(part).prediction for part in np.split(train, 4)]
    assert float(sum(parts).detach()) == pytest.approx(float(loss.prediction.detach()), rel=1e-5)
    loss.prediction.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)

    errors = objective.errors(network.eval(), train)
    unit = gaps * std
    assert errors == {
        name: pytest.approx(unit[known[train][:, k], k].mean(), rel=1e-4)
        for k, name in enumerate("ab")
    }  # fmt: skip
    # A layer that predicts the mean everywhere is off by the known values alone.
    of_atoms, total = loss.judge(torch.zeros(len(loss.output.layers[-1]), 2))
    off = np.where(known, (raw - mean) / std, 0)[train]
    per_molecule = np.abs(off).sum(axis=1) / known[train].sum(axis=1)
    atoms = np.repeat(per_molecule, np.diff(found.store.atom_offsets)[train])
    assert of_atoms.numpy() == pytest.approx(atoms, rel=1e-5)
    assert float(total) == pytest.approx(per_molecule.mean(), rel=1e-5)


def test_a_part_without_any_value_of_a_target_is_refused(tmp_path):
    with pytest.raises(DataError, match="but the part train has [01] of b"):
        data(tmp_path / "t.csv", tmp_path / "cache", b_of=lambda k: "1" if k == 7 else "")
    few = replace(PLAN, n_val=1)
    with pytest.raises(DataError, match="the part (train|val|test) has 0 of b"):
        data(tmp_path / "u.csv", tmp_path / "cache", b_of=lambda k: k if k < 3 else "", plan=few)
