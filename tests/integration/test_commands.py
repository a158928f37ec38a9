"""The other commands, on the storage of a finished study."""

import csv
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from lkm_tune.transfer import TransferReport, cell_sentence

WATER = """3
name=water
O 0.0 0.0 0.117
H 0.0 0.757 -0.471
H 0.0 -0.757 -0.471
"""


def test_best_gamma(finished, invoke):
    storage, _ = finished
    everything = json.loads(invoke("best-gamma", "--storage", storage, "--json"))
    assert [answer["model"] for answer in everything] == ["mxmnet", "pamnet"]
    one = invoke("best-gamma", "--storage", storage, "--model", "PAMNet", "--task", "qm9/Alpha")
    assert everything[1]["sentence"] in one
    assert everything[0]["sentence"] not in one
    missing = invoke("best-gamma", "--storage", storage, "--task", "qm9/mu", code=1)
    assert "no finished curve of qm9/mu; there are: mxmnet on qm9/alpha; pamnet" in missing


def test_report_again_is_the_same(finished, invoke):
    storage, _ = finished
    path = storage / "studies/small/report/transfer.json"
    before = json.loads(path.read_text())
    invoke("report", "small", "--storage", storage)
    assert json.loads(path.read_text()) == before


def test_all_studies_together(finished, invoke):
    """The answers of a study equal those of a folder with only this study."""
    storage, _ = finished
    output = invoke("report", "--storage", storage)
    assert str(storage / "transfer" / "report.html") in output
    together = json.loads((storage / "transfer/transfer.json").read_text())
    alone = json.loads((storage / "studies/small/report/transfer.json").read_text())
    assert [cell["gamma_best"] for cell in together["optima"]] == [
        cell["gamma_best"] for cell in alone["optima"]
    ]
    assert [pair["verdict"] for pair in together["regret"]] == [
        pair["verdict"] for pair in alone["regret"]
    ]
    assert "small (digest " in together["provenance"]["studies"]
    assert "thread" in together["provenance"]["training time"]


def test_the_answer_from_python(finished, invoke):
    storage, _ = finished
    answer = TransferReport.load(storage).best_gamma("pamnet", "qm9/alpha")
    told = json.loads(invoke("best-gamma", "--storage", storage, "--model", "pamnet", "--json"))
    assert [cell_sentence(answer)] == [one["sentence"] for one in told]
    # Two γ above 0 are too few to predict from.
    with pytest.raises(LookupError, match="gcn on qm9/mu"):
        TransferReport.load(storage).best_gamma("gcn", "qm9/mu")


def test_diagnose(finished, invoke, tmp_path):
    """Every cell compares γ = 0 with other γ; its folder and the report have pictures."""
    storage, _ = finished
    arguments = ("diagnose", "small", "--storage", storage)
    found = json.loads(invoke(*arguments, "--json", "--output", tmp_path))
    cells = {
        one["group"]: [o["gamma"] for o in found if o["group"] == one["group"]] for one in found
    }
    assert {name.split("-")[0] for name in cells} == {"mxmnet", "pamnet"}
    for name, gammas in cells.items():
        assert gammas[0] == 0 and len(set(gammas)) == len(gammas) > 1
        drawn = {path.stem for path in (tmp_path / name).glob("*.png")}
        assert drawn == {"layers-cka", "layers-pca-test", "layers-pca-molecule"}
    assert all(0 <= value <= 1 + 1e-6 for one in found for value in one["layers"]["cka"][0])
    assert all((one["gradient_mixing"] == 0) == (one["gamma"] == 0) for one in found)
    assert "γ·L_KD" in invoke(*arguments, "--cell", "pamnet@qm9/alpha")
    invoke("report", "small", "--storage", storage)
    page = (storage / "studies/small/report/report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    wrong = invoke(*arguments, "--cell", "gcn@qm9/alpha", code=1)
    assert "--cell must be one of" in wrong


def test_status(finished, invoke):
    storage, _ = finished
    assert "small: finished" in invoke("status", "--storage", storage)
    (study,) = json.loads(invoke("status", "small", "--storage", storage, "--json"))
    assert study["finished"]
    assert study["trials"] == {"planned": 28, "ended": 28}
    assert all(sum(cell["curve"].values()) == 8 for cell in study["cells"])
    assert "there are: small" in invoke("status", "other", "--storage", storage, code=1)


def test_export_train_predict(finished, invoke, tmp_path):
    storage, _ = finished
    config, out, xyz = tmp_path / "best.yaml", tmp_path / "final", tmp_path / "molecules.xyz"
    cell = ("--study", "small", "--model", "pamnet", "--task", "qm9/alpha")
    invoke("export", *cell, "--storage", storage, "-o", config)
    exported = yaml.safe_load(config.read_text())
    answer = json.loads(invoke("best-gamma", "--storage", storage, "--json"))[1]
    assert exported["gamma"] == answer["recommended"]
    assert exported["model_settings"] == {"hidden": 8, "depth": answer["depth"]}
    trained = invoke("train", "--config", config, "--epochs", 2, "--out", out)
    assert trained.count("epoch ") == 2 + 1
    assert {p.name for p in out.iterdir()} == {"history.csv", "result.json", "model.safetensors"}
    xyz.write_text(WATER)
    for model in (out / "model.safetensors", self_made_name(storage)):
        output = invoke("predict", "--model", model, xyz, "--storage", storage)
        (row,) = csv.DictReader(io.StringIO(output))
        assert row["molecule"] == "water"
        assert -50 < float(row["qm9/alpha [a0³]"]) < 150


def self_made_name(storage):
    """A complete trial's name from MLflow and the tables."""
    trials = storage / "studies/small/trials"
    path = next(iter(sorted(trials.glob("*/curve/*/model.safetensors"))))
    return path.parent.relative_to(trials)


def test_train_needs_no_study(invoke, tmp_path):
    settings = ("--set", "model_settings.hidden=8", "--set", "data.n_train=32",
                "--set", "data.n_val=8", "--set", "data.n_test=8",
                "--set", "data.source=sample")  # fmt: skip
    arguments = ("--model", "mxmnet", "--task", "qm9/homo", "--gamma", "0.1", "--epochs", 1)
    output = invoke("train", *arguments, "--depth", 1, *settings, "--out", tmp_path)
    assert "predicting the mean" in output
    assert "meV" in output


def test_train_names_every_wrong_key(invoke, tmp_path):
    wrong = ("--set", "training.batch=8", "--set", "model_settings.width=8", "--set", "sed=1")
    output = invoke("train", "--model", "pamnet", "--task", "qm9/homo", *wrong, code=1)
    for key in ("training.batch", "sed"):
        assert key in output


def test_check(invoke, study_file, tmp_path):
    good = invoke("check", study_file)
    assert "2 cells" in good
    assert "in all: 28 trials" in good
    assert "s an epoch" in good
    assert "not measured" not in good
    if not torch.cuda.is_available():
        on_gpu = invoke("check", study_file, "--set", "resources.gpu=0.5")
        assert "on one GPU, one trial at a time (estimate, not measured" in on_gpu
        assert re.search(r"A100 40 GB: [0-9.e-]+ to [0-9.e-]+ hours", on_gpu)
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nmodels: [pamet]\ntasks: [qm9/homo]\nsearch: {trials: -1}\n")
    output = invoke("check", bad, code=1)
    assert "bad.yaml:2: models" in output
    assert "did you mean pamnet?" in output
    assert "bad.yaml:4: search.trials" in output


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("models", ["dimenet++", "mxmnet", "pamnet"]), ("tasks", ["qm9/homo", "meV", "qm9/Cv"])],
)
def test_what_there_is(invoke, verb, expected):
    output = invoke(verb)
    assert all(word in output for word in expected)


def test_every_verb_explains_itself_without_loading_torch(invoke):
    """`--help` is fast because it imports nothing heavy: the test lists the imports."""
    program = (
        "import sys, lkm_tune.cli\n"
        "lkm_tune.cli.cli.main(['run', '--help'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'ray', 'mlflow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Examples:" in done.stdout
    assert done.stdout.strip().endswith("[]")
    for verb in invoke("--help").partition("Commands:")[2].split("\n")[1:]:
        if verb.strip():
            assert "Usage:" in invoke(verb.split()[0], "--help")


@pytest.fixture
def running_ray(tmp_path):
    """A running Ray that another program has started."""
    program = (
        "import ray, sys, time\n"
        "context = ray.init(address='local', num_cpus=2, include_dashboard=False)\n"
        "print('address', context.address_info['gcs_address'], flush=True)\n"
        "time.sleep(600)"
    )
    arguments = [sys.executable, "-c", program]
    # A separate token: the file in ~/.ray may have a refused mode.
    token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    env = os.environ | token
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=env) as process:
        address = ""
        while not address.startswith("address "):
            address = process.stdout.readline()
            assert address, "Ray did not start"
        yield address.split()[1], token
        process.terminate()
        process.wait(timeout=30)
        time.sleep(1)  # Ray's processes end a moment after their head.


def test_tune_py_joins_a_running_ray_from_another_folder(
    running_ray, environment, study_file, tmp_path
):
    """The script of one of the people who share the user of a cluster."""
    script = shutil.copy(Path(__file__).parents[2] / "tune.py", tmp_path / "tune-ada.py")
    fewer = ["--set", "search.trials=1", "--set", "search.control=false"]
    address, token = running_ray
    arguments = [script, study_file, "--address", address, *fewer]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=tmp_path,
        env={**environment, **token},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "lkm-runs/ada/studies/small/report/report.html").exists()
    assert os.listdir(tmp_path / "lkm-runs") == ["ada"]
