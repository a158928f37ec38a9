"""What a reader of files accepts reads back equal; what it refuses names a rule."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lkm_tune.datasets import DataError, Molecules
from lkm_tune.datasets.archive import list_arrays, read_arrays
from lkm_tune.datasets.cleaning import Cleaning
from lkm_tune.datasets.md17 import read_md17
from lkm_tune.datasets.rows import read_rows
from lkm_tune.datasets.sdf import read_sdf
from lkm_tune.datasets.smiles import read_smiles
from lkm_tune.datasets.table import parse_table, read_text
from lkm_tune.datasets.xyz import read_xyz
from lkm_tune.elements import symbols_of

XYZ = "3\nProperties=species:S:1:pos:R:3 energy=-1.5\nO 0 0 0.1\nH 0 0.77 -0.46\nH 0 -0.76 -0.47\n"
CSV = 'id,smiles,y\n1,CCO,0.5\n2,"C1CC1",-2\n\n3,[NH4+].[Cl-],1e3\n'
SDF = (
    "water\n  made up\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
    "    0.0000    0.0000    0.1173 O   0  0\n    0.0000    0.7572   -0.4692 H   0  0\n"
    "    0.0000   -0.7572   -0.4692 H   0  0\n  1  2  1  0\n  1  3  1  0\n"
    "M  END\n> <y>\n1.5\n\n$$$$\n"
)
ANY = ("", "\n", " ", "\r\n", "\r", "3", "0", "-1", "nan", "1e400", "9" * 40, "\ufeff", "\x00", "é",
       '"', "'", "\u0663", "{", "[1", "=", "\t", ",", "X", "Qq")  # fmt: skip


def edited(base: str, pieces: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """The text with a few pieces put into it, in the place of some letters."""
    edit = st.tuples(
        st.integers(0, len(base)), st.integers(0, 12), st.sampled_from([*ANY, *pieces, base])
    )

    def apply(edits: list[tuple[int, int, str]]) -> bytes:
        text = base
        for place, removed, piece in edits:
            text = text[:place] + piece + text[place + removed :]
        return text.encode()

    return st.lists(edit, max_size=4).map(apply)


def xyz_again(molecules: Molecules, path: Path) -> bytes:
    frames = []
    for k, energy in enumerate(molecules.targets["energy"]):
        atoms = slice(*molecules.offsets[k : k + 2])
        frame = Atoms(molecules.z[atoms], molecules.pos[atoms])
        frame.info["energy"] = float(energy)
        frames.append(frame)
    file = io.StringIO()
    ase.io.write(file, frames, format="extxyz")
    return file.getvalue().encode()


def csv_again(molecules: Molecules, path: Path) -> bytes:
    table = parse_table(read_text(path), path, ["smiles", "y"])
    file = io.StringIO()
    rows = zip(table.column("smiles"), table.column("y"), strict=True)
    csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL).writerows([("smiles", "y"), *rows])
    return file.getvalue().encode()


def sdf_again(molecules: Molecules, path: Path) -> bytes:
    records = []
    for k, y in enumerate(molecules.targets["y"]):
        atoms = range(*molecules.offsets[k : k + 2])
        lines = ["", "", "", f"{len(atoms):3d}  0  0  0  0  0  0  0  0  0999 V2000"]
        lines += [
            "".join(f"{x:10.4f}" for x in molecules.pos[n])
            + f" {symbols_of([int(molecules.z[n])]):<3} 0  0"
            for n in atoms
        ]
        records.append("\n".join([*lines, "M  END", "> <y>", repr(float(y)), "", "$$$$", ""]))
    return "".join(records).encode()


@dataclass(frozen=True)
class Kind:
    """A kind of file: a small one, what is put into it, its reader, and how it is written again."""

    base: str
    pieces: tuple[str, ...]
    read: Callable[[Path], Molecules]
    again: Callable[[Molecules, Path], bytes]


def _sdf(path: Path) -> Molecules:
    return read_sdf(path, ["y"], Cleaning(charged="keep", fragments="keep", repeated="first"))


def _csv(path: Path) -> Molecules:
    # An entry with too many fields would become valid in a table of two columns: none is skipped.
    cleaning = Cleaning(charged="keep", fragments="keep", repeated="mean")
    return read_smiles(path, ["y"], cleaning=cleaning)


KINDS = {
    "xyz": Kind(
        XYZ,
        ("energy=", "charge=1", "pbc=T", 'Lattice="1"', "Properties=", "species:S:1", ":R:",
         "H 0 0 0\n", "config_weight=2", "config_type=IsolatedAtom"),
        lambda path: read_xyz(path, "energy"), xyz_again,
    ),
    "csv": Kind(
        CSV, (",y", "smiles", "weight", ";", "|", "C", "(", "[Xx]", "[2H]", "#", ">>", "*", "0x1"),
        _csv, csv_again,
    ),
    "sdf": Kind(
        SDF, ("$$$$\n", "M  END\n", "M  CHG  1   1   1\n", "> <y>\n", "V3000", "M  V30 ", "  4",
              "C", "  1  2  9  0\n", "*", "R#"),
        _sdf, sdf_again,
    ),
}  # fmt: skip


def refused(error: DataError, path: Path) -> None:
    """The file, the rule and the value, on printable lines, without the bytes of the file."""
    assert str(path) in str(error) and 20 < len(str(error)) - len(str(path)) < 3000
    assert str(error).replace("\n", "").isprintable()


def check(kind: str, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read_rows(path)
    except DataError as error:
        refused(error, path)
    try:
        molecules = KINDS[kind].read(path)
    except DataError as error:
        refused(error, path)
        return
    path.write_bytes(KINDS[kind].again(molecules, path))
    again = KINDS[kind].read(path)
    assert np.array_equal(again.z, molecules.z) and np.array_equal(again.n_atoms, molecules.n_atoms)
    for name, values in molecules.targets.items():
        assert again.targets[name] == pytest.approx(values, rel=1e-6)
    if molecules.pos is not None and kind != "sdf":
        assert again.pos == pytest.approx(molecules.pos, abs=1e-5, rel=1e-5)
    if molecules.pos is not None and kind == "sdf":  # Columns of an SDF have four decimals.
        assert again.pos == pytest.approx(molecules.pos, abs=2e-4)
    if molecules.bonds is not None:
        assert again.bonds is not None
        assert np.array_equal(again.bonds.pairs, molecules.bonds.pairs)


some = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CASES = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.tuples(
        st.just(kind), edited(KINDS[kind].base, KINDS[kind].pieces) | st.binary(max_size=200)
    )
)


@settings(some, max_examples=300)
@given(case=CASES)
def test_text(tmp_path: Path, case: tuple[str, bytes]):
    check(case[0], tmp_path / f"fuzz.{case[0]}", case[1])


@pytest.mark.slow
@settings(some, max_examples=30_000)
@given(case=CASES)
def test_much_text(tmp_path: Path, case: tuple[str, bytes]):
    check(case[0], tmp_path / f"fuzz.{case[0]}", case[1])


ARRAYS = {
    "z": np.array([8, 1, 1]), "R": np.random.default_rng(0).normal(size=(4, 3, 3)),
    "E": np.arange(4.0), "F": np.zeros((4, 3, 3)),
}  # fmt: skip


VALUES = st.sampled_from(
    [np.zeros(0), np.zeros((4, 3)), np.array(1.0), np.array([8, 1, 1]), np.array([8, 1, 999]),
     np.full((4, 3, 3), np.nan), np.full((4, 3, 3), 1e300), np.array(["a"] * 4), np.ones(4, bool),
     np.ones(4, complex), np.array([-1, 0, 2**40, 1]), np.zeros((4, 3, 3), np.float16)]
)  # fmt: skip
CHANGED = st.dictionaries(st.sampled_from([*ARRAYS, "old_indices", "split_train_01"]), VALUES)


def check_npz(path: Path, arrays: dict[str, np.ndarray], damage: list[tuple[int, int]]) -> None:
    np.savez(path, **{**ARRAYS, **arrays})  # type: ignore[arg-type]
    content = bytearray(path.read_bytes())
    for place, byte in damage:
        content[place % len(content)] = byte
    path.write_bytes(content)
    try:
        read = read_arrays(path, list_arrays(path))
        if not damage:
            assert all(np.array_equal(read[name], {**ARRAYS, **arrays}[name], equal_nan=True)
                       for name in read if read[name].dtype.kind in "fiub")  # fmt: skip
        molecules = read_md17(path, "original", unchecked=True)
    except DataError as error:
        refused(error, path)
        return
    assert molecules.forces["energy"].shape == (len(molecules.z), 3)
    assert np.array_equal(molecules.targets["energy"], read["E"].reshape(-1).astype(float))
    again = path.with_name("again.npz")
    np.savez(again, **{**read, "R": molecules.pos.reshape(read["R"].shape)})  # type: ignore[union-attr]
    found = read_md17(again, "original", unchecked=True)
    assert np.array_equal(found.pos, molecules.pos) and np.array_equal(found.z, molecules.z)


DAMAGE = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=3)


@settings(some, max_examples=100)
@given(arrays=CHANGED, damage=DAMAGE)
def test_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], damage: list[tuple[int, int]]):
    check_npz(tmp_path / "fuzz.npz", arrays, damage)


@pytest.mark.slow
@settings(some, max_examples=10_000)
@given(arrays=CHANGED, damage=DAMAGE)
def test_many_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], damage: list[tuple[int, int]]):
    check_npz(tmp_path / "fuzz.npz", arrays, damage)
