from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.md17 import NAMES, read_md17

KCAL = 627.5094740631
SHARED = ("aspirin", "benzene", "ethanol", "malonaldehyde", "naphthalene", "salicylic", "toluene")

SharedFile = Callable[[str], Path]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, vibrating: dict[str, np.ndarray]) -> Write:
    """Writes methane's frames in this project's format; None leaves out an array."""

    def write(**changes: Any) -> Path:
        energy, forces = KCAL * vibrating["energy"], KCAL * vibrating["forces"]
        arrays = {
            "z": vibrating["z"], "R": vibrating["pos"], "E": energy, "F": forces,
            "E_md17": energy + 1, "F_md17": forces, "old_indices": 7 * np.arange(300),
            "split_train_01": np.arange(100), "split_test_01": np.arange(100, 200),
        } | changes  # fmt: skip
        np.savez(tmp_path / "methane.npz", **{k: v for k, v in arrays.items() if v is not None})
        return tmp_path / "methane.npz"

    return write


@pytest.mark.parametrize("name", SHARED)
def test_the_real_files_pass_every_check(shared_file: SharedFile, name: str):
    path = shared_file(f"rmd17/{name}.npz")
    revised, original = read_md17(path, "revised"), read_md17(path, "original")
    assert name in NAMES and len(revised) == len(original) == 9633
    assert len(revised.parts) == 10 and revised.parts["train_05"].shape == (1000,)
    assert np.array_equal(revised.pos, original.pos)
    # The two kinds of labels differ by more than either varies.
    difference = revised.targets["energy"] - original.targets["energy"]
    assert abs(difference.mean()) > 20 * difference.std()


# The error for each kind of wrong label. Real molecules are far from the limits: slopes
# 0.997..1.003, limits 0.8 and 1.2.
@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(
    ("array", "factor", "rule"),
    [
        ("F", -1.0, "stiffness of C–H bonds"),
        ("F", 0.529177, "stiffness of C–H bonds"),
        ("F", 1 / 0.529177, "stiffness of C–H bonds"),
        ("F", 4.184, "stiffness of C–H bonds"),
        ("F", 1 / KCAL, "stiffness of C–H bonds"),
        ("E", 1 / KCAL, "energy must be the total energy"),
        ("E", 0.0433641, "energy must be the total energy"),
        ("E", 4.184, "energy must be the total energy"),
        ("R", 1 / 0.529177, "mean length of C–H bonds"),
        ("R", 0.1, "mean length of C–H bonds"),
    ],
)
def test_no_mislabelled_unit_passes(
    shared_file: SharedFile, tmp_path: Path, name: str, array: str, factor: float, rule: str
):
    with np.load(shared_file(f"rmd17/{name}.npz")) as real:
        arrays = {key: real[key] for key in ("z", "R", "E", "F", "E_md17", "F_md17")}
    arrays[array] = arrays[array] * factor
    np.savez(tmp_path / "units.npz", **arrays)
    with pytest.raises(DataError, match=rule):
        read_md17(tmp_path / "units.npz", "revised")


def test_energies_must_change_by_the_work_of_the_forces(
    write: Write, vibrating: dict[str, np.ndarray]
):
    reversed_in_time = KCAL * vibrating["energy"][::-1]
    with pytest.raises(DataError, match="change by the work of the forces, 0.8..1.2 times"):
        read_md17(write(E=reversed_in_time), "revised")


def test_labels_splits_and_numbers_are_read(write: Write):
    revised = read_md17(write(), "revised")
    assert read_md17(write(), "original").targets["energy"][5] == revised.targets["energy"][5] + 1
    assert revised.ids[:3].tolist() == [0, 7, 14] and revised.n_atoms.tolist() == 300 * [5]
    assert revised.parts["test_01"].tolist() == list(range(100, 200))
    assert revised.forces["energy"].dtype == revised.pos.dtype == np.float32
    assert revised.forces["energy"].shape == (1500, 3)


def test_both_public_layouts_are_read(tmp_path: Path, write: Write):
    with np.load(write()) as file:
        ours = dict(file)
    old = tmp_path / "md17.npz"
    # The original files have a column of energies, and ignored text.
    np.savez(old, z=ours["z"], R=ours["R"], E=ours["E"][:, None], F=ours["F"], name=b"methane")
    new = {"nuclear_charges": ours["z"], "coords": ours["R"], "energies": ours["E"],
           "forces": ours["F"], "old_indices": ours["old_indices"]}  # fmt: skip
    np.savez(tmp_path / "new.npz", **new)
    both = new | {"old_energies": ours["E_md17"], "old_forces": ours["F_md17"]}
    np.savez(tmp_path / "both.npz", **both)
    for name, labels in [("md17", "original"), ("new", "revised"), ("both", "revised")]:
        molecules = read_md17(tmp_path / f"{name}.npz", labels)
        assert np.array_equal(molecules.targets["energy"], ours["E"])
    original = read_md17(tmp_path / "both.npz", "original")
    assert np.array_equal(original.targets["energy"], ours["E_md17"])
    with pytest.raises(DataError, match=r"has the revised labels, but not the original labels"):
        read_md17(tmp_path / "new.npz", "original")
    with pytest.raises(DataError, match=r"has the original labels, but not the revised labels"):
        read_md17(old, "revised")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"z": None}, "must have the arrays z, R, E and F, or nuclear_charges.*but has R, E"),
        ({"E": np.zeros(299)}, r"E must have the shape \(300\), but has \(299,\)"),
        ({"R": np.zeros((300, 5, 2))}, r"R must have the shape \(300, 5, 3\)"),
        ({"R": np.float64(1)}, r"R must have the shape"),
        ({"z": np.array([6.0, 1, 1, 1, 1])}, "z must hold whole numbers, but holds float64"),
        ({"z": np.array([6, 1, 1, 1, 17])}, r"elements of MD17 .* atomic numbers \[17\]"),
        ({"E": np.full(300, np.nan)}, "energy must be finite"),
        ({"F": np.full((300, 5, 3), np.inf)}, "forces of energy must be finite"),
        ({"old_indices": np.zeros(300, dtype=int)}, "id 0 occurs 300 times"),
        ({"split_train_01": np.array([0, 150])}, r"split_train_01 .*1, the first is 150"),
        ({"split_train_01": np.array([0, 300])}, "train_01 must name molecules 0..299"),
        ({"split_train_01": np.array(["a"])}, "split_train_01 must hold whole numbers"),
    ],
)
def test_a_bad_file_is_refused_with_rule_and_value(
    write: Write, changes: dict[str, Any], message: str
):
    path = write(**changes)
    with pytest.raises(DataError, match=message) as error:
        read_md17(path, "revised")
    assert str(path) in str(error.value)


def test_a_repeated_frame_is_named(write: Write, vibrating: dict[str, np.ndarray]):
    pos = vibrating["pos"].copy()
    pos[200] = pos[10]
    with pytest.raises(
        DataError, match="the frames with the ids 70 and 1400 have the same positions"
    ):
        read_md17(write(R=pos), "revised")


def test_a_truncated_file_and_pickles_are_refused(write: Write, tmp_path: Path):
    whole = write().read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.npz: is not a readable \.npz archive"):
        read_md17(tmp_path / "cut.npz", "revised")
    with pytest.raises(DataError, match="pickled Python objects"):
        read_md17(write(E=np.array([None] * 300)), "revised")
