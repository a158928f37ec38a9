"""Losses and errors on frames with forces, tables of SMILES and nodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write

from lkm_tune.datasets import NodeData, NodeGraph, Split, load_task
from lkm_tune.models import NodeClassifier, NodeSettings
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainedModel, TrainingRun, save_model
from lkm_tune.training.node_objective import Classes

SPATIAL = ("pamnet", "mxmnet", "dimenet++")
SMALL = {"hidden": 8, "depth": 1}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    """Frames of H2S and of water with springs between all pairs of atoms."""
    rng = np.random.default_rng(0)
    atoms = []
    for number in range(120):
        z, length = [([16, 1, 1], 1.34), ([8, 1, 1], 0.96)][number % 2]
        rest = np.array([[0, 0, 0], [length, 0, 0], [-0.3 * length, 0.95 * length, 0]])
        pos = rest + 0.05 * rng.normal(size=rest.shape)
        energy, forces = 0.0, np.zeros_like(pos)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            bond = pos[i] - pos[j]
            stretch = np.linalg.norm(bond) - np.linalg.norm(rest[i] - rest[j])
            energy += 10 * stretch**2
            forces[i] -= 20 * stretch * bond / np.linalg.norm(bond)
            forces[j] += 20 * stretch * bond / np.linalg.norm(bond)
        frame = Atoms(z, pos)
        frame.info["e"], frame.arrays["f"] = energy - 1000 * sum(z), forces
        atoms.append(frame)
    path = tmp_path_factory.mktemp("frames") / "springs.xyz"
    write(path, atoms, format="extxyz")
    return path


@pytest.fixture
def start(frames, cache):
    def run(model="pamnet", settings=None, **training):
        config = RunConfig(
            model=model,
            task=f"file:{frames}",
            model_settings=SMALL if settings is None else settings,
            data=DataPlan(n_train=80, n_val=20, target="e", forces="f"),
            training=TrainingPlan(
                **{"epochs": 8, "batch_size": 8, "lr": 1e-2, "ema_decay": 0.9, **training}
            ),
            gamma=0.01,
            seed=1,
        )
        return TrainingRun(config, cache=cache)

    return run


@pytest.mark.parametrize("model", SPATIAL)
def test_energies_and_forces_are_learnt_with_an_element_that_no_model_has_published(
    start, model, tmp_path
):
    run = start(model, {"hidden": 16, "depth": 1}, epochs=20)
    assert 16 in run.settings.get("elements", (16,))
    list(run.epochs())
    result = run.result()
    known = run.objective.mean_errors("test")
    assert set(result.test_errors) == {"energy", "forces"}
    assert result.test_errors["forces"] < 0.9 * known["forces"]
    assert result.val_error == run.history[result.best_epoch - 1].val_errors["energy"]

    # Predictions of the trained network's file, in the eV and eV/Å of the data.
    save_model(run, tmp_path / "model.safetensors")
    trained = TrainedModel.load(tmp_path / "model.safetensors")
    batch, _ = run.data.batch(run.data.split.test)
    energies, forces = trained.predict_forces(batch)
    store = run.data.store
    known_forces = store.forces_of("e", run.data.split.test).numpy()
    error = np.abs(energies[:, 0] - store.targets["e"][run.data.split.test]).mean()
    assert error == pytest.approx(result.test_errors["energy"], rel=1e-2)
    error = np.abs(forces - known_forces).mean()
    assert error == pytest.approx(result.test_errors["forces"], rel=1e-4)


def test_parts_of_a_batch_give_the_gradient_of_the_whole(start):
    whole, parts = start(micro_batch_size=8), start(micro_batch_size=3)
    indices = whole.data.split.train[:8]
    losses = [run.step(run.batches.parts(indices)) for run in (whole, parts)]
    assert torch.allclose(losses[0], losses[1], rtol=1e-5)
    for one, other in zip(whole.parameters, parts.parameters, strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_large_molecules_go_through_in_parts_by_themselves(start, monkeypatch):
    assert start(micro_batch_size=None).objective.micro_batch_size == 8
    # Each of the three atoms has two neighbours: 12 pairs per molecule.
    monkeypatch.setattr("lkm_tune.training.molecule_objectives.PAIRS_AT_ONCE", 4 * 30)
    bound = start(micro_batch_size=None, eval_batch_size=50).objective
    assert (bound.micro_batch_size, bound.eval_batch_size) == (2, 2)


def test_either_error_may_decide_and_energies_may_be_learnt_alone(start):
    forces = start(judged_by="forces", epochs=1)
    (epoch,) = forces.epochs()
    assert epoch.val_error == epoch.val_errors["forces"] != epoch.val_errors["energy"]
    alone = start(force_weight=0.0, epochs=1)
    (epoch,) = alone.epochs()
    assert set(epoch.val_errors) == {"error"}
    with pytest.raises(ValueError, match="judged_by must be energy where .* is 0"):
        start(force_weight=0.0, judged_by="forces")


def test_bonds_cannot_tell_forces(start):
    with pytest.raises(ValueError, match="gin cannot learn since .*force_weight: 0"):
        start("gin", {"hidden": 8, "depth": 2})
    start("gin", {"hidden": 8, "depth": 2}, force_weight=0.0)


def test_a_table_of_smiles_is_learnt_from_bonds_alone(tmp_path, cache):
    lines = ["C" * n + tail for n in range(1, 21) for tail in ("", "O", "N", "S")]
    mass = {"C": 14, "O": 16, "N": 15, "S": 32}
    rows = [f"{line},{sum(mass[c] for c in line)}" for line in lines]
    (tmp_path / "mass.csv").write_text("\n".join(["smiles,mass", *rows]) + "\n")
    config = RunConfig(
        model="gin",
        task=f"file:{tmp_path / 'mass.csv'}",
        model_settings={"hidden": 32, "depth": 2},
        data=DataPlan(n_train=60, n_val=10, target="mass", unit="u"),
        training=TrainingPlan(epochs=60, batch_size=8, lr=1e-2, ema_decay=0.9),
        gamma=1e-3,
    )
    run = TrainingRun(config, cache=cache)
    list(run.epochs())
    result = run.result()
    assert result.test_error < 0.3 * result.test_mean_error
    for other in (replace(config, model="pamnet"), replace(
        config, model_settings={**config.model_settings, "graph": "radius"}
    )):  # fmt: skip
        with pytest.raises(ValueError, match="has no positions of atoms, which"):
            TrainingRun(other, cache=cache)


def test_classes_are_judged_by_their_share_of_wrong_nodes():
    """Two rings that differ in one feature: the loss and error of every step by hand."""
    ring = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    parts = {"train": np.array([0, 3, 4]), "val": np.array([1]), "test": np.array([2, 5])}
    features = torch.nn.functional.one_hot(labels).float()
    graph = NodeGraph(features, torch.cat([ring, ring.flip(0)], dim=1), labels, parts, 2)
    data = NodeData(None, None, "", graph, Split(*parts.values()))
    objective = Classes(data, TrainingPlan(), torch.device("cpu"))
    torch.manual_seed(0)
    network = NodeClassifier("gcn", NodeSettings(features=2, classes=2, hidden=4))
    logits = network(features, graph.edge_index).prediction
    samples = objective.samples(network, parts["train"], parts["train"])
    loss = objective.loss(network, samples)
    chosen = -logits.log_softmax(dim=1)[parts["train"], labels[parts["train"]]]
    assert loss.prediction.item() == pytest.approx(chosen.mean().item())
    assert loss.share == 1 and len(loss.output.layers[0]) == 6
    wrong = (logits.argmax(dim=1) != labels)[parts["test"]].double().mean()
    assert objective.errors(network, parts["test"]) == {"error": wrong.item()}
    assert objective.mean_errors("test") == {"error": 0.5}


@pytest.mark.parametrize(("model", "wrong"), [("gcn", 0.25), ("gat", 0.25), ("gin", 0.4)])
def test_cora_is_learnt(shared, cache, model, wrong):
    config = RunConfig(
        model=model,
        task="cora",
        model_settings={"hidden": 64, "dropout": 0.5, "layers": "activation"},
        data=DataPlan(n_train=140, n_val=500),
        training=TrainingPlan(epochs=80, lr=2e-2, weight_decay=5e-4, ema_decay=0.9),
        gamma=1e-3,
    )
    run = TrainingRun(config, cache=cache)
    assert (run.settings["features"], run.settings["classes"]) == (1433, 7)
    list(run.epochs())
    assert run.result().test_error < wrong
    with pytest.raises(ValueError, match=r"has no setting elements; its settings are .*depth"):
        TrainingRun(replace(config, model_settings={"elements": [1]}), cache=cache)
    with pytest.raises(ValueError, match="gcn, gat, gin can learn, but pamnet cannot"):
        TrainingRun(replace(config, model="pamnet", model_settings={}), cache=cache)
    assert load_task("cora", config.data, 0, 1.0, cache).source == run.data.source
