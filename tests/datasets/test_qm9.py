from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.make_sample import make_sample
from lkm_tune.datasets.qm9 import SAMPLE, TARGETS, read_qm9

WriteQm9 = Callable[..., Path]

BOHR = 0.529177210903
EV = 27.211386245988


def test_the_sample_is_small_plain_and_real():
    assert SAMPLE.stat().st_size < 1_500_000
    with np.load(SAMPLE, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert set(arrays) == {"index", "smiles", "n_atoms", "z", "pos", *TARGETS}
    assert len(TARGETS) == 12
    molecules = read_qm9(SAMPLE)
    assert len(molecules) == 3000
    assert len(arrays["smiles"]) == len(set(arrays["smiles"])) == 3000
    assert arrays["index"].min() >= 1 and arrays["index"].max() <= 133_885
    # All of QM9: 51.2 % H, 35.3 % C, 5.6 % N, 7.8 % O, 0.1 % F; 18.03 atoms a molecule.
    shares = np.bincount(molecules.z, minlength=10) / len(molecules.z)
    assert shares[[1, 6, 7, 8, 9]] == pytest.approx([0.512, 0.353, 0.056, 0.078, 0.001], abs=0.005)
    assert molecules.n_atoms.mean() == pytest.approx(18.03, abs=0.2)
    for name, mean in {"mu": 2.67, "homo": -0.240, "gap": 0.251, "Cv": 31.6}.items():
        assert molecules.targets[name].mean() == pytest.approx(mean, rel=0.03)


def test_the_sample_counts_the_heavy_atoms_of_its_smiles():
    molecules = read_qm9(SAMPLE)
    with np.load(SAMPLE) as archive:
        smiles = archive["smiles"]
    heavy = np.add.reduceat(molecules.z > 1, molecules.offsets[:-1])
    assert heavy.tolist() == [sum(letter in "CNOFcno" for letter in s) for s in smiles]


def test_licence_and_citation_lie_beside_the_sample():
    text = (SAMPLE.parent / "LICENSE.txt").read_text(encoding="utf-8")
    for part in ("10.1038/sdata.2014.22", "10.1021/ci300415d", "MIT License", "CC0"):
        assert part in text


def test_the_sample_can_be_drawn_again(full_qm9: Path, tmp_path: Path):
    make_sample(full_qm9, tmp_path / "again.npz")
    with np.load(SAMPLE) as ours, np.load(tmp_path / "again.npz") as again:
        assert ours.files == again.files
        for name in ours.files:
            assert ours[name].dtype == again[name].dtype
            assert np.array_equal(ours[name], again[name])


def test_methane_and_water_are_read_as_published(write_qm9: WriteQm9):
    molecules = read_qm9(write_qm9())
    assert len(molecules) == 2 and molecules.offsets.tolist() == [0, 5, 8]
    assert molecules.targets["U0"][0] == -40.47893
    assert molecules.pos.dtype == np.float32 and molecules.z.dtype == np.uint8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zpve": None}, "lacks the arrays zpve"),
        ({"n_atoms": np.array([5, 4])}, r"z must have the shape \(9,\).*but has \(8,\)"),
        ({"n_atoms": np.array([8, 0])}, "must have atoms, but molecule 1 .* n_atoms = 0"),
        ({"n_atoms": np.array([9, -1])}, "must have atoms, but molecule 1 .* n_atoms = -1"),
        ({"n_atoms": np.array([5.0, 3.0])}, "n_atoms must hold whole numbers, but holds float64"),
        ({"n_atoms": np.array([[5, 3]])}, r"n_atoms must have the shape \(any\), but has \(1, 2\)"),
        ({"pos": np.ones((8, 2))}, r"pos must have the shape \(any, 3\), but has \(8, 2\)"),
        ({"pos": np.full((8, 3), np.nan)}, "pos must be finite.*8 of 8 rows"),
        ({"mu": np.array([0.0, np.inf])}, "mu must be finite.*1 of 2 rows.*molecule 1.*inf"),
        ({"gap": np.array([0.5048])}, r"gap must have the shape \(2,\).*but has \(1,\)"),
        ({"gap": np.array(["a", "b"])}, "gap must hold real numbers, but holds <U1"),
        ({"z": np.array([6, 1, 1, 1, 1, 16, 1, 1])}, r"elements \(1, 6, 7, 8, 9\), but has \[16\]"),
        ({"z": np.array([6, 1, 1, 1, 257, 8, 1, 1])}, r"but has \[257\]"),
        ({"index": np.array([3, 3])}, "id 3 occurs 2 times"),
        (
            {name: np.zeros((0, 3) if name == "pos" else 0, dtype=int if name in
             ("index", "n_atoms", "z") else float)
             for name in ("index", "n_atoms", "z", "pos", *TARGETS)},
            "there must be molecules, but there are none",
        ),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_rule_and_value(
    write_qm9: WriteQm9, changes: dict[str, Any], message: str
):
    path = write_qm9(**changes)
    with pytest.raises(DataError, match=message) as error:
        read_qm9(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "factor", "rule"),
    [
        ("alpha", BOHR**3, "alpha per atom"),
        ("homo", EV, "homo"),
        ("lumo", EV, "gap − "),
        ("gap", EV, "gap "),
        ("r2", BOHR**2, "r2 − "),
        ("pos", 1 / BOHR, "r2 − "),
        ("pos", 0.1, "r2 − "),
        ("zpve", EV, "zpve per atom"),
        ("zpve", 627.5, "zpve per atom"),
        ("U0", EV, "U0 less its free atoms"),
        ("U", EV, "U − U0"),
        ("H", EV, "H − U"),
        ("G", EV, "H − G"),
        ("Cv", 4.184, "Cv per atom"),
        ("mu", 0.3934, "gdb index 62 must have mu = 5.1668"),
    ],
)
def test_a_mislabelled_unit_is_refused(tmp_path: Path, name: str, factor: float, rule: str):
    with np.load(SAMPLE) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays[name] = arrays[name] * factor
    path = tmp_path / "units.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"{rule}.*Is a unit wrong"):
        read_qm9(path)


def test_swapped_energies_are_noticed(write_qm9: WriteQm9):
    path = write_qm9(U0=np.array([-40.476062, -76.401867]), U=np.array([-40.47893, -76.404702]))
    with pytest.raises(DataError, match="U − U0"):
        read_qm9(path)


def test_methane_must_be_methane(write_qm9: WriteQm9):
    path = write_qm9(index=np.array([3, 1]))
    with pytest.raises(DataError, match="gdb index 1 must have mu = 0"):
        read_qm9(path)
