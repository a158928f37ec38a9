"""A user's own network and a checkpoint of the authors' code, through the commands."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lkm_tune.models import build_model

# The example of the README, under a name that no other module has.
README = (Path(__file__).parents[2] / "README.md").read_text()
NETS = re.search(r"```python\n(# mynets.py.*?)```", README, flags=re.DOTALL).group(1)
STUDY = """
name: own
models: {users_net:schnet: {width: 8}, gin: {hidden: 8}}
tasks: [qm9/alpha]
data: {source: sample, n_train: 32, n_val: 8, n_test: 8}
space:
  gamma: {type: float, low: 1e-4, high: 100, log: true}
  depth: {type: int, low: 2, high: 3}
search: {trials: 1, startup_trials: 1, grace_period: 1, control: false}
curve: {gammas: [0, 0.1], seeds: [1]}
training: {epochs: 2, batch_size: 16}
"""
XYZ = "3\nname=water\nO 0.0 0.0 0.117\nH 0.0 0.757 -0.471\nH 0.0 -0.757 -0.471\n"
SIZES = [f"--set=data.{part}=16" for part in ("n_train", "n_val", "n_test")]
SMALL = ["--set=data.source=sample", *SIZES]


@pytest.fixture
def folder(tmp_path):
    """A user's working folder, which is on no import path."""
    (tmp_path / "users_net.py").write_text(NETS)
    (tmp_path / "own.yaml").write_text(STUDY)
    (tmp_path / "water.xyz").write_text(XYZ)
    return tmp_path


def test_a_study_of_an_own_model(lkm_tune, folder):
    assert "2 cells" in lkm_tune("check", "own.yaml", "--no-cost", cwd=folder)
    lkm_tune("run", "own.yaml", cwd=folder)
    answers = json.loads(lkm_tune("best-gamma", "--json", cwd=folder))
    assert [answer["model"] for answer in answers] == ["gin", "users_net:schnet"]
    models = (folder / "lkm-runs/studies/own/trials").glob(
        "users_net_schnet-*/curve/*/*.safetensors"
    )
    model = ("predict", "--model", sorted(models)[0], "water.xyz")
    assert "--own-model users_net:schnet" in lkm_tune(*model, cwd=folder, code=1)
    (row,) = csv.DictReader(
        io.StringIO(lkm_tune(*model, "--own-model", "users_net:schnet", cwd=folder))
    )
    assert row["molecule"] == "water"


def test_errors_of_an_own_model_are_those_of_the_file(lkm_tune, folder):
    (folder / "bad.yaml").write_text(
        "name: bad\nmodels:\n  users_net:shcnet: {}\n  users_net:schnet: {depth: 1}\n"
        "tasks: [qm9/alpha]\nspace:\n  gamma: {type: float, low: 1, high: 2}\n"
        "  heads: {type: int, low: 1, high: 2}\n"
    )
    output = lkm_tune("check", "bad.yaml", cwd=folder, code=1)
    assert "bad.yaml:3: models.users_net:shcnet: cannot be used: users_net (" in output
    assert "bad.yaml:8: space.heads: unknown setting" in output
    wrong = ("users_net:schnet.depth=1", "space.depth={type: int, low: 1, high: 2}")
    output = lkm_tune("check", "own.yaml", "--set", wrong[1], cwd=folder, code=1)
    assert "space.depth.low: users_net:schnet cannot be built: " in output
    assert "list of at least two names" in output
    assert "gin cannot be built: " in output


def test_train_an_own_model(lkm_tune, folder):
    train = ("train", "--model", "users_net:schnet", "--task", "qm9/homo", "--epochs", 1, *SMALL)
    width = ("--set", "model_settings.width=8")
    assert "test error" in lkm_tune(*train, *width, "--gamma", "0.1", "--depth", 2, cwd=folder)


def test_train_from_a_checkpoint_of_the_authors_code(lkm_tune, tmp_path):
    torch.manual_seed(0)
    net = build_model("mxmnet", hidden=8, depth=2, cutoff=4.0)
    torch.save({"model_state_dict": net.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    rest = {"cutoff": 4.0, "envelope_exponent": 5, "num_spherical": 7, "n_layer": 2}
    (tmp_path / "config.json").write_text(json.dumps(rest))
    train = ("train", "--model", "mxmnet", "--task", "qm9/homo", *SMALL, "--epochs", 1)
    init = ("--init", "checkpoint.pt", "--init-config", "config.json")
    lkm_tune(*train, *init, "--lr", "1e-30", cwd=tmp_path)
    with safe_open(tmp_path / "lkm-train/model.safetensors", framework="pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(kept[name], tensor)
