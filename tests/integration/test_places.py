"""Studies whose files lie at relative paths, run from one folder and from another."""

import json

import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors import safe_open

from lkm_tune.datasets import content_digest
from lkm_tune.datasets.qm9 import SAMPLE
from lkm_tune.tracking import tracking_uri

pytestmark = pytest.mark.survival

STUDY = """
name: rel
models: {gin: {hidden: 8, depth: 2}}
tasks:
  "file:set/t.csv": {target: size}
  qm9/homo: {}
  qm9/mu: {source: set/mu.npz}
data: {n_train: 16, n_val: 8, n_test: 8}
training: {epochs: 1, batch_size: 8, warmup_epochs: 0}
search: {trials: 0}
curve: {gammas: [0, 0.1], seeds: [1]}
"""


def table(last):
    names = ["C" * n + end for n in range(1, 17) for end in ("", "O", "N")]
    return "smiles,size\n" + "".join(f"{name},{len(name)}\n" for name in [*names, last])


@pytest.fixture
def folder(tmp_path):
    """A user's files, a file of QM9 in the folder of data, and another file of QM9 in the cache."""
    for name, first in {"reldata/qm9": 0, "relcache/downloads/qm9": 500, "set/mu": 800}.items():
        path = tmp_path / f"{name}.npz"
        path.parent.mkdir(parents=True)
        with np.load(SAMPLE) as whole:
            part = slice(first, first + 400)
            atoms = np.repeat(np.arange(len(whole["index"])), whole["n_atoms"])
            chosen = (atoms >= part.start) & (atoms < part.stop)
            np.savez(path, **{
                key: whole[key][chosen if key in ("z", "pos") else part]
                for key in whole if whole[key].ndim
            })  # fmt: skip
    (tmp_path / "set/t.csv").write_text(table("CC(C)O"))
    (tmp_path / "rel.yaml").write_text(STUDY)
    return tmp_path


def test_trials_read_the_files_that_the_driver_has_checked(lkm_tune, folder):
    places = {"LKM_TUNE_DATA": "reldata", "LKM_TUNE_CACHE": "relcache"}
    run = ("run", folder / "rel.yaml", "--storage", folder / "runs")
    lkm_tune(*run, cwd=folder, **places)
    read = {
        "file:set/t.csv": content_digest(folder / "set/t.csv"),
        "qm9/homo": content_digest(folder / "reldata/qm9.npz"),
        "qm9/mu": content_digest(folder / "set/mu.npz"),
    }
    study = folder / "runs/studies/rel"
    assert json.loads((study / "data.json").read_text()) == read
    models = list((study / "trials").glob("*/curve/*/model.safetensors"))
    assert len(models) == 6
    for path in models:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["lkm_tune"])
        assert header["data"] == read[header["config"]["task"]]

    # From other folders, the paths lead to no file, to another file, and to the same file.
    other = folder / "other"
    (other / "set").mkdir(parents=True)
    places["LKM_TUNE_DATA"] = "../reldata"
    more = (*run, "--set", "curve.seeds=[1,2]")
    said = lkm_tune(*more, cwd=other, code=1, **places)
    assert f"{other}/set/t.csv: cannot be read" in said
    (other / "set/t.csv").write_text(table("CC(C)N"))
    (other / "set/mu.npz").symlink_to(folder / "set/mu.npz")
    said = lkm_tune(*more, cwd=other, code=1, **places)
    assert "ran on another data file for file:set/t.csv" in said
    (other / "set/t.csv").write_text(table("CC(C)O"))
    assert "curve.seeds: 1 seed more" in lkm_tune(*more, cwd=other, **places)


SMALL = """
name: places
models: {gin: {hidden: 8, depth: 2}}
tasks: [qm9/homo]
data: {source: sample, n_train: 16, n_val: 8, n_test: 8}
training: {epochs: 1, batch_size: 8, warmup_epochs: 0}
search: {trials: 0}
curve: {gammas: [0, 0.1], seeds: [1]}
"""


def test_a_storage_folder_may_have_any_name(lkm_tune, tmp_path):
    """A space, letters beyond ASCII, and a path of 250 characters, as clusters have."""
    storage = tmp_path / "a b é;&+"
    storage /= "x" * (250 - len(str(storage)) - 1)
    study = tmp_path / "small study.yaml"
    study.write_text(SMALL)
    lkm_tune("run", study, "--storage", storage)
    assert (storage / "studies/places/report/report.html").is_file()
    assert "places" in lkm_tune("status", "places", "--storage", storage)
    (model,) = storage.glob("studies/places/trials/*/curve/0000-*/model.safetensors")
    trial = "/".join(model.parts[-4:-1])
    molecules = tmp_path / "w.smi"
    molecules.write_text("CCO\n")
    said = lkm_tune("predict", "--model", trial, "--storage", storage, molecules)
    assert said.splitlines()[0] == "molecule,qm9/homo [meV]"
    client = MlflowClient(tracking_uri(storage))
    (experiment,) = [e for e in client.search_experiments() if "places" in e.name]
    runs = client.search_runs([experiment.experiment_id])
    assert sum("gamma" in run.data.params for run in runs) == 2
    # Nothing was written beside it.
    assert {path.name for path in tmp_path.iterdir()} == {"a b é;&+", study.name, "w.smi"}
