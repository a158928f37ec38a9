"""Other kinds of data and networks, through the commands of a user."""

import csv
import io
import json

import numpy as np
from ase import Atoms
from ase.io import read, write

FEW = ("--set", "data.n_train=24", "--set", "data.n_val=8")


def test_data_info_and_prepare(lkm_tune, tmp_path):
    told = json.loads(
        lkm_tune(
            "data", "info", "QM9/homo+u0", "--source", "sample", "--set", "n_test=50", "--json"
        )
    )
    assert told["task"] == "qm9/homo+U0"
    assert told["parts"] == {"train": 1000, "val": 500, "test": 50}
    assert [spread["unit"] for spread in told["spreads"][-2:]] == ["meV", "meV"]
    assert "less its atoms" in told["spreads"][-1]["name"]
    ready = lkm_tune("data", "prepare", "qm9/mu", "--source", "sample", "--cutoff", "4")
    assert "qm9/mu: ready in" in ready
    wrong = lkm_tune("data", "info", "qm9/mu", "--set", "n_tain=5", code=1)
    assert "data.n_tain: unknown key" in wrong and "did you mean n_train?" in wrong


def test_data_that_are_not_there_say_where_to_put_them(lkm_tune, tmp_path):
    changes = {"LKM_TUNE_DATA": str(tmp_path), "LKM_TUNE_CACHE": str(tmp_path / "cache")}
    missing = lkm_tune("data", "prepare", "pubchem/gap", code=1, **changes)
    assert "cannot be downloaded" in missing
    assert f"put it at {tmp_path}/cache/downloads/pubchem/gap.csv" in missing


def test_frames_of_ones_own_are_trained_on_and_predicted(lkm_tune, tmp_path):
    """A diatomic spring with an element that no published model has."""
    rng = np.random.default_rng(0)
    frames = []
    for length in 1.6 + 0.1 * rng.normal(size=50):
        frame = Atoms("HI", [[0, 0, 0], [0, 0, length]])
        frame.info["e"] = 20 * (length - 1.6) ** 2
        force = 40 * (length - 1.6)
        frame.arrays["f"] = np.array([[0, 0, force], [0, 0, -force]])
        frames.append(frame)
    write(tmp_path / "hi.xyz", frames, format="extxyz")
    task = ("--task", "file:hi.xyz", "--set", "data.target=e", "--set", "data.forces=f")
    size = ("--set", "model_settings.hidden=8", "--set", "training.batch_size=8")
    train = ("train", "--model", "mxmnet", *task, *FEW, *size, "--depth", 1, "--epochs", 2)
    output = lkm_tune(*train, "--gamma", "0.1", "--out", tmp_path / "hi", cwd=tmp_path)
    assert "eV" in output
    result = json.loads((tmp_path / "hi/result.json").read_text())
    assert set(result["test_errors"]) == {"energy", "forces"}

    model = ("--model", tmp_path / "hi/model.safetensors", tmp_path / "hi.xyz")
    predicted = lkm_tune("predict", *model, "--forces", tmp_path / "f.xyz")
    rows = list(csv.DictReader(io.StringIO(predicted)))
    written = read(tmp_path / "f.xyz", index=":")
    assert len(rows) == len(written) == 50
    assert float(rows[3]["e [eV]"]) == float(f"{written[3].info['energy_predicted']:.8g}")
    # Forces of an isolated molecule sum to zero.
    assert np.abs(written[3].arrays["forces_predicted"].sum(axis=0)).max() < 1e-4


def test_a_table_of_ones_own_is_trained_on_and_predicted(lkm_tune, tmp_path):
    smiles = ["C" * n + end for n in range(1, 14) for end in ("", "O", "N")]
    rows = [f"{text},{len(text)}" for text in smiles]
    (tmp_path / "t.csv").write_text("\n".join(["smiles,size", *rows]) + "\n")
    task = ("--task", f"file:{tmp_path / 't.csv'}", "--set", "data.target=size")
    train = ("train", *task, *FEW, "--epochs", 2, "--gamma", "0.1", "--out", tmp_path / "net")
    lkm_tune(*train, "--model", "gin", "--set", "model_settings.hidden=8", "--depth", 2)
    output = lkm_tune("predict", "--model", tmp_path / "net/model.safetensors", tmp_path / "t.csv")
    assert len(output.strip().splitlines()) == 1 + len(smiles)
    refused = lkm_tune(*train, "--model", "pamnet", code=1)
    assert "has no positions of atoms, which pamnet needs" in refused
    (tmp_path / "t.csv").write_text("smiles,size\nC1CC,3\nCC,x\n[Na+],1\n")
    broken = lkm_tune(*train, "--model", "gin", code=1)
    for line in ("line 2", "line 3", "line 4"):
        assert line in broken


def test_check_refuses_what_cannot_be_learnt(lkm_tune, tmp_path):
    study = tmp_path / "mixed.yaml"
    study.write_text(
        "name: mixed\nmodels: [pamnet, gin]\ntasks:\n  cora: {}\n  rmd17/ethanol: {n_train: 50}\n"
    )
    output = lkm_tune("check", study, "--no-cost", code=1)
    assert "cora classifies nodes, which gcn, gat, gin can learn, but pamnet cannot" in output
    assert "rmd17/ethanol has forces, which gin cannot learn" in output
