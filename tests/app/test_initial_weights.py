"""`train --init`: the sources of the network's settings."""

import json

import pytest
import torch

from lkm_tune.app.initial_weights import begin
from lkm_tune.models import build_model
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun, save_model

REST = {"cutoff": 4.0, "envelope_exponent": 5, "num_spherical": 7}


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of the authors' code: MXMNet with 2 layers of 8 features."""
    net = build_model("mxmnet", hidden=8, depth=2, cutoff=4.0)
    torch.save({"state_dict": net.state_dict()}, tmp_path / "checkpoint.pt")
    return tmp_path / "checkpoint.pt"


@pytest.fixture
def rest(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(REST | {"tag": "x"}))
    return path


def config(model="mxmnet", **settings):
    return RunConfig(model=model, task="qm9/alpha", model_settings=settings)


def test_without_a_file_nothing_changes(rest):
    assert begin(config(hidden=4), None, None) == (config(hidden=4), None)
    with pytest.raises(ValueError, match="describes the weights of --init, which is missing"):
        begin(config(), None, rest)


def test_shapes_and_file_together_say_all(checkpoint, rest):
    begun, weights = begin(config(layers="local"), checkpoint, rest)
    settings = begun.model_settings
    assert settings.items() >= {"hidden": 8, "depth": 2, "num_radial": 6, "outputs": 1}.items()
    assert settings.items() >= {"cutoff": 4.0, "num_spherical": 7, "layers": "local"}.items()
    net = build_model("mxmnet", **settings)
    assert net.state_dict().keys() == weights.keys()


def test_settings_of_the_run_count_like_the_file(checkpoint):
    assert begin(config(**REST), checkpoint, None)[0].model_settings["hidden"] == 8


def test_what_nobody_says_is_asked_for(checkpoint, rest):
    asked = r"do not determine its cutoff \(published: 5.0\), num_spherical.*--init-config FILE"
    with pytest.raises(ValueError, match=asked):
        begin(config(), checkpoint, None)
    with pytest.raises(ValueError, match="contradicts .* hidden=16 instead of 8"):
        begin(config(hidden=16), checkpoint, rest)


def test_a_file_that_is_no_configuration(checkpoint, tmp_path):
    path = tmp_path / "config.json"
    for text, message in (("cutoff: 5", "is not JSON"), ("[5]", "must be a mapping")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            begin(config(), checkpoint, path)


def test_networks_without_published_code_take_their_settings_as_said(tmp_path):
    net = build_model("gin", hidden=8, depth=2)
    torch.save(net.state_dict(), tmp_path / "checkpoint.pt")
    begun, weights = begin(config("gin", hidden=8, depth=2), tmp_path / "checkpoint.pt", None)
    assert begun == config("gin", hidden=8, depth=2)
    assert weights.keys() == net.state_dict().keys()


def test_our_own_files_say_all_their_settings(tmp_path):
    plan, data = TrainingPlan(epochs=1), DataPlan("sample", 16, 8, 8)
    first = RunConfig("gcn", "qm9/alpha", {"hidden": 8, "depth": 3}, data, plan)
    run = TrainingRun(first, cache=tmp_path)
    list(run.epochs()), run.result()
    save_model(run, tmp_path / "model.safetensors")

    begun, weights = begin(config("gcn", dropout=0.1), tmp_path / "model.safetensors", None)
    assert begun == config("gcn", hidden=8, depth=3, dropout=0.1)
    for name, tensor in run.averaged.network.state_dict().items():
        assert torch.equal(weights[name], tensor)
    with pytest.raises(ValueError, match="must be of pamnet, but are of gcn"):
        begin(config("pamnet"), tmp_path / "model.safetensors", None)
