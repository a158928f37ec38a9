"""Files as people bring them, through the commands: units, elements, compression, bad entries."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

BOHR, HARTREE = 0.529177210903, 27.211386245988
FEW = ("--set", "n_train=30", "--set", "n_val=10")
Invoke = Callable[..., str]


def methane(number: int, stiffness: float = 30.0) -> Atoms:
    """Methane with springs along its bonds: energy in eV, forces in eV/Å."""
    rng = np.random.default_rng(number)
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    atoms = Atoms("CH4", np.vstack([[0, 0, 0], 1.09 * corners]) + 0.03 * rng.normal(size=(5, 3)))
    bonds = atoms.positions[1:] - atoms.positions[0]
    lengths = np.linalg.norm(bonds, axis=1, keepdims=True)
    pull = -stiffness * (lengths - 1.09) * bonds / lengths
    atoms.arrays["f"] = np.vstack([-pull.sum(axis=0), pull])
    atoms.info["e"] = float(-1102 + stiffness / 2 * ((lengths - 1.09) ** 2).sum())
    return atoms


def frames(path: Path, energy: float = 1, forces: float = 1, pos: float = 1) -> Path:
    molecules = [methane(number) for number in range(60)]
    for atoms in molecules:
        atoms.info["e"] *= energy
        atoms.arrays["f"] *= forces
        atoms.positions *= pos
    write(path, molecules, format="extxyz")
    return path


@pytest.mark.parametrize(
    ("factors", "rule"),
    [
        ({"forces": -1}, "other sign"),
        ({"forces": BOHR / HARTREE}, "Hartree/bohr"),
        ({"pos": 1 / BOHR}, "must be in Å"),
        ({"energy": 23.0605}, "kcal/mol"),
    ],
)
def test_frames_in_a_wrong_unit_are_refused(
    invoke: Invoke, tmp_path: Path, factors: dict[str, float], rule: str
):
    info = ("data", "info", "--set", "target=e", "--set", "forces=f", *FEW)
    right = frames(tmp_path / "right.xyz")
    assert "60 samples" in invoke(*info, f"file:{right}")
    (tmp_path / "right.xyz.gz").write_bytes(gzip.compress(right.read_bytes()))
    assert "60 samples" in invoke(*info, f"file:{right}.gz")
    wrong = frames(tmp_path / "wrong.xyz", **factors)
    said = invoke(*info, f"file:{wrong}", code=1)
    assert rule in said and "data: {unchecked: true}" in said
    unchecked = invoke(*info, f"file:{wrong}", "--set", "unchecked=true")
    assert "not checked" in unchecked or "unchecked" in unchecked


def test_an_element_that_no_training_molecule_has_is_refused(invoke: Invoke, tmp_path: Path):
    molecules = [methane(number) for number in range(60)]
    molecules[0].symbols[1] = "Br"
    molecules[0].positions[1] *= 1.94 / 1.09
    molecules[0].info["e"] = -71_000.0
    rare, trained = tmp_path / "rare.xyz", tmp_path / "net"
    write(rare, molecules, format="extxyz")
    write(tmp_path / "plain.xyz", molecules[1:], format="extxyz")
    sizes = ("--set", "data.n_train=30", "--set", "data.n_val=10", "--set", "data.target=e",
             "--set", "data.forces=f", "--set", "training.batch_size=10", "--depth", 2,
             "--set", "model_settings.hidden=8", "--set", "data.unchecked=true")  # fmt: skip
    train = ("train", "--model", "pamnet", "--gamma", 0, "--epochs", 1, "--out", trained, *sizes)
    said = invoke(*train, "--task", f"file:{rare}", code=1)
    assert "Br" in said and "rare_elements" in said
    invoke(*train, "--task", f"file:{tmp_path / 'plain.xyz'}")
    model = trained / "model.safetensors"
    said = invoke("predict", "--model", model, rare, "--forces", tmp_path / "f.xyz", code=3)
    rows = list(csv.DictReader(io.StringIO(said)))
    assert rows[0]["e [eV]"] == "" and "does not know Br" in rows[0]["reason"]
    assert all(row["e [eV]"] and not row["reason"] for row in rows[1:])
    # Positions are those of the file, not centred ones.
    again = read(tmp_path / "f.xyz", index=":")
    assert len(again) == 59
    for found, given in zip(again, molecules[1:], strict=True):
        assert found.positions == pytest.approx(given.positions, abs=1e-7)


def test_bad_entries_from_standard_input_have_an_empty_row(invoke: Invoke, tmp_path: Path):
    table = tmp_path / "t.csv"
    names = ["C" * n + end for n in range(1, 17) for end in ("", "O", "N")]
    table.write_text("smiles,y\n" + "".join(f"{name},{len(name)}\n" for name in names))
    invoke("train", "--model", "gin", "--gamma", 0, "--epochs", 1, "--out", tmp_path / "net",
           "--task", f"file:{table}", "--set", "data.target=y", "--set", "data.n_train=30",
           "--set", "data.n_val=10", "--set", "model_settings.hidden=8")  # fmt: skip
    predict = ("predict", "--model", tmp_path / "net/model.safetensors")
    text = "smiles\nCCO\nCC(\nCCO\nc1ccccc1[Pt]\n"
    for stdin in (text.encode(), gzip.compress(text.encode())):
        rows = list(csv.DictReader(io.StringIO(invoke(*predict, "-", code=3, stdin=stdin))))
        assert [row["molecule"] for row in rows] == ["line 2", "line 3", "line 4", "line 5"]
        assert rows[0]["y"] and rows[0]["y"] == rows[2]["y"]
        assert rows[1]["y"] == rows[3]["y"] == ""
        assert "no SMILES" in rows[1]["reason"] and "does not know Pt" in rows[3]["reason"]
    (tmp_path / "good.csv.gz").write_bytes(gzip.compress(b"smiles\nCCO\n"))
    said = invoke(*predict, tmp_path / "good.csv.gz")
    assert said.splitlines()[0] == "molecule,y" and said.startswith(
        f"molecule,y\nline 2,{rows[0]['y']}"
    )


def test_missing_labels_of_several_targets(invoke: Invoke, tmp_path: Path):
    table = tmp_path / "t.csv"
    names = ["C" * n + end for n in range(1, 21) for end in ("", "O", "N")]
    lines = [
        f"{name},{len(name) if k % 3 else ''},{-k if k % 2 else ''}" for k, name in enumerate(names)
    ]
    table.write_text("\n".join(["smiles,y,z", *lines]) + "\n")
    task = (f"file:{table}", "--set", "data.target=y + z", "--set", "data.n_train=30")
    sizes = ("--set", "data.n_val=15", "--set", "model_settings.hidden=8", "--epochs", 2)
    said = invoke("train", "--model", "gin", "--gamma", 0.1, "--task", *task, *sizes, "--out",
                  tmp_path / "net", "--set", "data.invalid=skip")  # fmt: skip
    assert "have no value (no y or z)" in said
    result = json.loads((tmp_path / "net/result.json").read_text())
    assert set(result["test_errors"]) == {"y", "z"}
    assert all(np.isfinite(error) and error > 0 for error in result["test_errors"].values())
    model = ("--model", tmp_path / "net/model.safetensors")
    assert invoke("predict", *model, table).splitlines()[0] == "molecule,y,z"
    twice = task[:2] + ("data.target=y + y",) + task[3:]
    assert "must name each target once" in invoke(
        "train", "--model", "gin", "--gamma", 0, "--task", *twice, *sizes, code=1
    )
