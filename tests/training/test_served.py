"""A best model in MLflow predicts like the trained network, from the inputs of its signature."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from lkm_tune.datasets.molecules import single_precision
from lkm_tune.graphs import batch_from_arrays
from lkm_tune.models import build_model, energy_and_forces
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.tracking.model import mlflow_model
from lkm_tune.training import TrainingRun, save_model
from lkm_tune.training.served import OWN_MODEL

TINY = TrainingPlan(epochs=1, batch_size=16)


def serve(run, folder, inputs, output):
    list(run.epochs())
    run.result()
    save_model(run, folder / "model.safetensors")
    with mlflow_model(folder / "model.safetensors", inputs, output) as saved:
        assert not list(saved.rglob("*.pkl"))
        return mlflow.pyfunc.load_model(str(saved))


def test_molecules_from_smiles(tmp_path):
    texts = ["C" * carbons + end for carbons in range(1, 9) for end in ("O", "N", "F", "S")]
    rows = [f"{text},{len(text)}" for text in texts]
    (tmp_path / "length.csv").write_text("\n".join(["smiles,length", *rows]) + "\n")
    config = RunConfig(
        model="gin",
        task=f"file:{tmp_path / 'length.csv'}",
        model_settings={"hidden": 8, "depth": 2, "graph": "bonds"},
        data=DataPlan(n_train=16, n_val=8, n_test=8, target="length"),
        training=TINY,
    )
    run = TrainingRun(config, cache=tmp_path)
    served = serve(run, tmp_path, "smiles", "length")
    (tmp_path / "length.csv").unlink()  # not needed for predictions
    test = run.data.split.test
    predicted = served.predict(pd.DataFrame({"smiles": [texts[i] for i in test]}))
    errors = np.abs(predicted - [len(texts[i]) for i in test])
    assert errors.mean() == pytest.approx(run.errors("test")["error"], rel=1e-3)
    with pytest.raises(ValueError, match="row 2: 'C1' is no SMILES"):
        served.predict(pd.DataFrame({"smiles": ["CO", "C1"]}))


@pytest.mark.parametrize("normaliser", [None, {"scales": []}])
def test_a_file_names_no_code_that_is_run(tmp_path, monkeypatch, normaliser):
    (tmp_path / "spy_nets.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(OWN_MODEL, raising=False)
    config = RunConfig(model="spy_nets:net", task="qm9/homo").to_dict()
    header = {"config": config, "settings": {}, "normaliser": normaliser}
    file = tmp_path / "model.safetensors"
    save_file({"w": torch.zeros(1)}, file, {"lkm_tune": json.dumps(header)})
    with mlflow_model(file, "nodes", "class") as saved, pytest.raises(ValueError) as refused:
        mlflow.pyfunc.load_model(str(saved))
    assert "whose code would run" in str(refused.value)


def test_classes_of_nodes(shared, tmp_path):
    plan = DataPlan(n_train=140, n_val=500)
    run = TrainingRun(RunConfig("gcn", "cora", {"hidden": 8}, plan, TINY), cache=tmp_path)
    served = serve(run, tmp_path, "nodes", "cora [class]")
    graph, test = run.data.graph, run.data.split.test
    table = pd.DataFrame({
        "features": [graph.features.double().tolist()], "edge_index": [graph.edge_index.tolist()],
    })  # fmt: skip
    (classes,) = served.predict(table)
    wrong = np.array(classes)[test] != graph.labels.numpy()[test]
    assert wrong.mean() == pytest.approx(run.errors("test")["error"])


def test_a_molecule_far_away_has_the_same_energy_and_forces():
    """10,000 Å from the origin, float32 would lose the shape of a molecule."""
    torch.manual_seed(0)
    network = build_model("pamnet", hidden=16, depth=2).eval()
    pos = np.array([[0.0, 0, 0.117], [0, 0.757, -0.469], [0, -0.757, -0.469]])
    found = []
    for shift in (0.0, 10_000.0):
        placed = single_precision(pos + shift, np.array([3]))
        batch = batch_from_arrays(np.array([8, 1, 1]), placed, np.zeros(3, int), cutoff=5.0)
        output, forces = energy_and_forces(network, batch)
        found.append((output.prediction.detach(), forces))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)
