"""A study whose cells differ in depth, sample size and variant of mixing, through its commands."""

import json

import mlflow
import pytest
import yaml

STUDY = {
    "name": "side",
    "models": {"pamnet": {"hidden": 8}},
    "tasks": ["qm9/alpha"],
    "data": {"source": "sample", "n_val": 16, "n_test": 32},
    "compare": {"depth": [1, 2], "n_train": [32, 48], "mixing": ["confidence"]},
    "space": {"gamma": {"type": "float", "low": 1e-3, "high": 100, "log": True}},
    "search": {"trials": 0},
    "curve": {"gammas": [0, 0.1, 1, 100], "seeds": [1, 2], "diagnostics": True},
    "training": {"epochs": 2, "batch_size": 16, "lr": 1e-3},
}
CELLS = 4


@pytest.fixture(scope="module")
def storage(lkm_tune, tmp_path_factory):
    folder = tmp_path_factory.mktemp("side")
    (folder / "side.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    lkm_tune("run", "side.yaml", "--storage", folder / "runs", cwd=folder)
    return folder / "runs"


def test_every_combination_has_a_curve_and_an_answer(storage, invoke):
    (status,) = json.loads(invoke("status", "--storage", storage, "--json"))
    assert [cell["curve"] for cell in status["cells"]] == [{"complete": 8}] * CELLS
    assert status["cells"][-1]["compared"] == {"depth": 2, "n_train": 48, "mixing": "confidence"}
    report = json.loads((storage / "studies/side/report/transfer.json").read_text())
    assert status["signs"] == report["signs"]
    assert any("next γ to try" in sign for sign in status["signs"])
    found = json.loads(invoke("best-gamma", "--storage", storage, "--json", "--model", "pamnet"))
    named = {(one["model"], one["depth"], one["n_train"]) for one in found}
    assert named == {
        ("pamnet[mixing=confidence]", depth, n) for depth in (1, 2) for n in (32, 48)
    }  # fmt: skip


def test_mlflow_has_them(storage):
    client = mlflow.MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "side"]
    runs = client.search_runs([experiment.experiment_id], "tags.`lkm.kind` = 'trial'")
    assert len(runs) == CELLS * 8
    for run in runs:
        params, metrics = run.data.params, run.data.metrics
        depth = int(params["depth"])
        assert run.data.tags["lkm.model"] == "pamnet[mixing=confidence]"
        assert params["mixing"] == "confidence" and params["n_train"] in ("32", "48")
        # A global and a local layer per block, each with a readout of 8 features.
        assert metrics["final/mixing_parameters"] == 2 * depth * 9
        shares = [metrics[f"layers/share/{j}"] for j in range(1, 2 * depth + 1)]
        assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_one_of_them_by_its_address(storage, invoke, tmp_path):
    address = "pamnet@qm9/alpha@depth=1@mixing=confidence@n_train=32"
    invoke("diagnose", "side", "--storage", storage, "--cell", address, "--output", tmp_path)
    assert (tmp_path / "layers-cka.png").exists() or list(tmp_path.rglob("layers-cka.png"))
    wrong = invoke("diagnose", "side", "--storage", storage, "--cell", "pamnet@x", code=1)
    assert address in wrong


def test_the_settings_of_the_best_are_exported(storage, invoke, tmp_path):
    cell = ("--study", "side", "--model", "pamnet", "--task", "qm9/alpha")
    invoke("export", *cell, "--storage", storage, "--out", tmp_path / "best.yaml")
    config = yaml.safe_load((tmp_path / "best.yaml").read_text())
    found = json.loads(invoke("best-gamma", "--storage", storage, "--json"))
    best = min(found, key=lambda one: one["error"])
    assert config["model_settings"]["depth"] == best["depth"]
    assert config["data"]["n_train"] == best["n_train"]
    assert best["model"] == f"pamnet[mixing={config['lkm']['mixing']}]"


def test_against_the_paper(storage, invoke):
    output = invoke("report", "side", "--storage", storage, "--against", "paper")
    page = (storage / "studies/side/report/against_paper.md").read_text()
    assert page in output
    assert page.count("| gain on QM9, the most of twelve targets | 9.8") == CELLS
    assert page.count("| rise of the error at γ = 100 | 15.7") == CELLS
    for difference in (
        "- pamnet: hidden 8 instead of 128",
        "- pamnet: depth 1 instead of 6",
        "- qm9: the 3,000 molecules of the package instead of the whole set",
        "- qm9/alpha: training samples 32 instead of 110,000 (inferred)",
        "- lkm.mixing is not the same for all trials",
    ):
        assert difference in page
    refused = invoke("report", "--storage", storage, "--against", "paper", code=1)
    assert "--against paper needs the name of one study" in refused
    table = storage / "studies/side/report/trials.csv"
    refused = invoke("report", "--from", table, "--against", "paper", code=1)
    assert "--against needs the study's file" in refused
