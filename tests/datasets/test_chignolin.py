from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.chignolin import read_chignolin

BOHR = 0.529177210903
SharedFile = Callable[[str], Path]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, vibrating: dict[str, np.ndarray]) -> Write:
    """Writes methane's frames in the format of Chignolin, with two padding atoms."""

    def write(**changes: Any) -> Path:
        padded = {
            "Z": np.tile(vibrating["z"], (300, 1)),
            "R": vibrating["pos"],
            "F": -BOHR * vibrating["forces"],
        }
        arrays = {
            name: np.concatenate([array, np.zeros((300, 2, *array.shape[2:]), array.dtype)], axis=1)
            for name, array in padded.items()
        }
        arrays |= {"id": 3 * np.arange(300), "N": np.full(300, 5), "E": vibrating["energy"]}
        arrays |= changes
        path = tmp_path / "methane.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return write


def test_the_shared_file_passes_and_keeps_its_units(shared_file: SharedFile):
    path = shared_file("chignolin/chignolin.npz")
    molecules = read_chignolin(path)
    assert len(molecules) == 1500 and set(molecules.n_atoms) == {166}
    with np.load(path) as raw:
        gradient = raw["F"][7]
    assert molecules.forces["energy"][7 * 166 : 8 * 166] == pytest.approx(
        -gradient / BOHR, rel=1e-6
    )
    # A spring of 1.13 Hartree/Å² at 300 to 500 K pulls with a few hundredths of a Hartree/Å.
    assert 0.01 < molecules.forces["energy"].std() < 0.1


@pytest.mark.parametrize(
    ("array", "factor", "rule"),
    [
        ("F", -1.0, "stiffness of C–H bonds"),
        ("F", BOHR, "stiffness of C–H bonds"),
        ("F", 1 / BOHR, "stiffness of C–H bonds"),
        ("F", 27.2114, "stiffness of C–H bonds"),
        ("E", 27.2114, "energy must be the total energy"),
        ("E", 627.5, "energy must be the total energy"),
        ("R", 1 / BOHR, "mean length of C–H bonds"),
    ],
)
def test_no_mislabelled_unit_passes(
    shared_file: SharedFile, tmp_path: Path, array: str, factor: float, rule: str
):
    with np.load(shared_file("chignolin/chignolin.npz")) as raw:
        arrays = {name: raw[name] for name in raw.files}
    arrays[array] = arrays[array] * factor
    np.savez(tmp_path / "units.npz", **arrays)
    with pytest.raises(DataError, match=rule):
        read_chignolin(tmp_path / "units.npz")


def test_padding_is_left_out(write: Write, vibrating: dict[str, np.ndarray]):
    molecules = read_chignolin(write())
    assert molecules.z.tolist() == 300 * [6, 1, 1, 1, 1]
    about_centre = vibrating["pos"] - vibrating["pos"].mean(axis=1, keepdims=True)
    assert molecules.pos == pytest.approx(about_centre.reshape(-1, 3), abs=1e-6)
    assert molecules.forces["energy"] == pytest.approx(vibrating["forces"].reshape(-1, 3), abs=1e-6)
    assert molecules.ids[:3].tolist() == [0, 3, 6]


def test_the_public_form_is_read_alike(write: Write, vibrating: dict[str, np.ndarray]):
    padded = read_chignolin(write())
    flat = read_chignolin(
        write(
            Z=np.tile(vibrating["z"], 300),
            R=vibrating["pos"].reshape(-1, 3),
            F=-BOHR * vibrating["forces"].reshape(-1, 3),
            id=np.array([f"frame {i}" for i in range(300)]),
        )
    )
    assert np.array_equal(flat.pos, padded.pos) and np.array_equal(flat.z, padded.z)
    assert np.array_equal(flat.forces["energy"], padded.forces["energy"])
    assert flat.ids.tolist() == list(range(300))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"N": None}, "lacks the arrays N; it has"),
        ({"N": np.int64(5)}, r"N must have the shape"),
        ({"N": np.full(300, 8)}, r"N must lie in 1..7, the atoms in a row of Z, but is 8..8"),
        ({"N": np.full(300, 6)}, r"elements of Chignolin .*\[0\] among the first N"),
        ({"E": np.zeros(299)}, r"E must have the shape \(300\)"),
        ({"F": np.zeros((300, 7, 2))}, r"F must have the shape \(300, 7, 3\)"),
        ({"E": np.full(300, np.nan)}, "energy must be finite"),
        ({"E": np.linspace(-0.8, -0.7, 300)}, "or is an atomic energy already subtracted"),
        ({"id": np.zeros(300, dtype=int)}, "id 0 occurs 300 times"),
    ],
)
def test_a_bad_file_is_refused_with_rule_and_value(
    write: Write, changes: dict[str, Any], message: str
):
    path = write(**changes)
    with pytest.raises(DataError, match=message) as error:
        read_chignolin(path)
    assert str(path) in str(error.value)


def test_a_repeated_frame_is_named(write: Write, vibrating: dict[str, np.ndarray]):
    pos = np.zeros((300, 7, 3))
    pos[:, :5] = vibrating["pos"]
    pos[299] = pos[1]
    with pytest.raises(
        DataError, match="the frames with the ids 3 and 897 have the same positions"
    ):
        read_chignolin(write(R=pos))
