from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as write_with_ase

from lkm_tune.datasets import DataError
from lkm_tune.datasets.xyz import read_xyz

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes H2 frames from comment lines; the bond length grows from 0.7 Å by 0.01 Å per frame."""

    def write(*comments: str, columns: str = "") -> Path:
        frames = [
            f"2\nProperties=species:S:1:pos:R:3{columns and ':forces:R:3'} {comment}\n"
            f"H 0 0 0{columns}\nH 0 0 {0.7 + 0.01 * number}{columns}\n"
            for number, comment in enumerate(comments)
        ]
        path = tmp_path / "own.xyz"
        path.write_text("".join(frames), encoding="utf-8")
        return path

    return write


def test_what_ase_writes_is_read(tmp_path: Path):
    rng = np.random.default_rng(0)
    frames = []
    for symbols in ("H2O", "CH3SCl", "PtO2", "He"):
        atoms = Atoms(symbols, positions=3 * rng.normal(size=(len(Atoms(symbols)), 3)))
        atoms.calc = SinglePointCalculator(
            atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3))
        )
        atoms.info["gap"] = rng.normal()
        atoms.arrays["pull"] = rng.normal(size=(len(atoms), 3))
        frames.append(atoms)
    write_with_ase(tmp_path / "own.xyz", frames, format="extxyz")
    energies = read_xyz(tmp_path / "own.xyz", "energy", "forces")
    assert energies.n_atoms.tolist() == [3, 6, 3, 1] and energies.ids.tolist() == [0, 1, 2, 3]
    assert energies.z.tolist() == [1, 1, 8, 6, 1, 1, 1, 16, 17, 78, 8, 8, 2]
    assert energies.targets["energy"] == pytest.approx([a.get_potential_energy() for a in frames])
    for name, key, forces in [
        ("energy", "forces", np.concatenate([a.get_forces() for a in frames])),
        ("gap", "pull", np.concatenate([a.arrays["pull"] for a in frames])),
    ]:
        read = read_xyz(tmp_path / "own.xyz", name, key).forces
        assert list(read) == [name] and read[name] == pytest.approx(forces, abs=1e-6)
    assert read_xyz(tmp_path / "own.xyz", "gap").forces == {}
    about_centre = [a.positions - a.positions.mean(axis=0) for a in frames]
    assert energies.pos == pytest.approx(np.concatenate(about_centre), abs=1e-6)


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ('energy=1 Lattice="9 0 0 0 9 0 0 0 9"', "frame 1 is periodic"),
        ('energy=1 pbc="F F T"', "frame 1 is periodic"),
        ("energy=1 charge=-1", "frame 1 has charge -1, which no model can use"),
        ("energy=1 total_charge=2", "frame 1 has total_charge 2"),
        ("energy=1 charge=none", "frame 1 has charge 'none'"),
        ("gap=2 name=x dipole='1 2 3'", "frame 1 has no energy; it has the numbers gap"),
        ("", "frame 1 has no energy; it has the numbers none"),
        ("energy=low", "frame 1 must have one finite number as energy, but has 'low'"),
        ("energy=nan", "frame 1 must have one finite number as energy"),
        ("energy=T", "frame 1 must have one finite number as energy, but has "),
        ("energy='1 2'", "frame 1 must have one finite number as energy"),
    ],
)
def test_a_frame_that_no_model_can_take_is_named(write: Write, comment: str, message: str):
    path = write("energy=1", comment)
    with pytest.raises(DataError, match=message) as error:
        read_xyz(path, "energy")
    assert str(path) in str(error.value) and "frame 0" not in str(error.value)


def test_a_neutral_frame_may_say_so(write: Write):
    path = write('energy=1 charge=0 pbc="F F F"', "energy=2 charge=0.0")
    assert read_xyz(path, "energy").targets["energy"].tolist() == [1, 2]


def test_partial_charges_must_sum_to_nothing(tmp_path: Path):
    path = tmp_path / "own.xyz"
    frame = (
        "2\nProperties=species:S:1:pos:R:3:initial_charges:R:1 energy=1\nH 0 0 0 {}\nF 0 0 1 {}\n"
    )
    path.write_text(frame.format(0.4, -0.4))
    assert len(read_xyz(path, "energy")) == 1
    path.write_text(frame.format(1, 0))
    with pytest.raises(DataError, match="frame 0 has initial_charges 1"):
        read_xyz(path, "energy")


def test_missing_and_broken_forces_are_told(write: Write):
    with pytest.raises(DataError, match=r"frame 0 has no forces \(three per atom\); it has none"):
        read_xyz(write("energy=1"), "energy", "forces")
    with pytest.raises(DataError, match=r"frame 0 has no pull \(three per atom\); it has forces"):
        read_xyz(write("energy=1", columns=" 0 0 0"), "energy", "pull")
    with pytest.raises(DataError, match="frame 0 has forces that are not finite"):
        read_xyz(write("energy=1", columns=" 0 0 nan"), "energy", "forces")


def test_repeated_frames_and_no_element_are_named(write: Write):
    path = write("energy=1", "energy=2")
    text = path.read_text()
    path.write_text(text + text)
    with pytest.raises(DataError, match="frame 2 is frame 0 again.*\n.*frame 3 is frame 1 again"):
        read_xyz(path, "energy")
    path.write_text(text.replace("H 0 0 0.71", "X 0 0 0.71"))
    with pytest.raises(DataError, match="frame 1 has an atom of no element"):
        read_xyz(path, "energy")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("H 0 0 0.71\n", "", "frame 1 .* must have 2 atoms, but the file ends after 1"),
        ("2\n", "9" * 30 + "\n", "frame 0 .* must have at most 5,000 atoms, but says 999"),
        ("2\n", "4\n", "frame 0 .*must have 4 atoms|frame 1 .* must begin with the number"),
        ("2\n", "two\n", "frame 0 .* must begin with the number of its atoms, but .*'two'"),
        ("2\n", "0\n", "frame 0 .* must begin with the number of its atoms"),
        ("H 0 0 0.71", "Qq 0 0 0.71", "no element and no kind of column has the symbol 'Qq'"),
        ("H 0 0 0.71", "H2 0 0 0.71", "no element and no kind of column has the symbol 'H2'"),
        (" energy=1", " energy=0 energy=1", "frame 0 .* must have each key once, but has energy"),
        (" energy=1", ' energy=1 Energy = 2 energy="1"', "each key once, but has energy again"),
        ("0.71", "far", "is not a readable extended XYZ file"),
        ("pos:R:3", "pos:R:" + "9" * 30, "frame 0 .* columns of at most 9999 numbers, but .* 99"),
        ("0.71", "1e39", r"frame 1 has an atom 1e\+39 Å from the origin"),
        ("pos:R:3", "pos:Z:3", "own.xyz: (is not a readable extended|no element and no kind)"),
        ("species:S:1", "species:L:1", "own.xyz: (is not a readable ext|no element and no kind)"),
        ("species:S:1", "species:S :1", "frame 0 has no atoms"),
        ("0.71", "nan", "frame 1 has a position that is not finite"),
        ("\nProp", "\n\nProp", "xyz: frame 1 .* must begin with .* begins with 'H 0 0 0.7'"),
        ("2\n", "\n2\n", "xyz: frame 0 .* follows an empty line"),
        ("0.7\n", "0.7\n\n", "xyz: frame 1 .* follows an empty line"),
    ],
)
def test_a_damaged_file_is_refused(write: Write, old: str, new: str, message: str):
    path = write("energy=1", "energy=2")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_xyz(path, "energy")


def test_what_is_no_xyz_file_is_refused(tmp_path: Path):
    (tmp_path / "bytes.xyz").write_bytes(bytes(range(256)) * 8)
    for path in (tmp_path / "bytes.xyz", tmp_path):
        with pytest.raises(DataError, match="is not a readable extended XYZ file"):
            read_xyz(path, "energy")
    with pytest.raises(DataError, match=r"gone\.xyz: there is no such file"):
        read_xyz(tmp_path / "gone.xyz", "energy")
    (tmp_path / "empty.xyz").touch()
    with pytest.raises(DataError, match="there must be molecules, but there are none"):
        read_xyz(tmp_path / "empty.xyz", "energy")


def test_isolated_atoms_are_references_and_no_samples(write: Write):
    """As files for GAP and MACE hold them."""
    path = write("energy=1", "energy=2", "energy=4")
    kinds = ("IsolatedAtom", "isolated_atom")
    alone = [f"1\nenergy=-13.6 config_type={kind}\nH 0 0 0\n" for kind in kinds]
    path.write_text(alone[0] + path.read_text() + alone[1])
    molecules = read_xyz(path, "energy")
    assert molecules.ids.tolist() == [1, 2, 3] and molecules.n_atoms.tolist() == [2, 2, 2]
    assert molecules.targets["energy"].tolist() == [1, 2, 4]
    assert molecules.remarks[0].startswith("2 of 5 frames are isolated atoms")
    path.write_text("".join(alone))
    assert len(read_xyz(path, "energy", unchecked=True)) == 2


def test_keys_in_quotes_are_no_keys(write: Write):
    path = write('energy=1 note="energy=5, gap = 2" gap=3', "energy=2 gap=4 tags={a=1 a=2}")
    assert read_xyz(path, "gap").targets["gap"].tolist() == [3, 4]
