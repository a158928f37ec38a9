"""Accepted extended XYZ files read back equal; refused files get an error with a rule."""

import io
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lkm_tune.datasets import DataError, Molecules
from lkm_tune.datasets.xyz import read_xyz

BASE = "3\nProperties=species:S:1:pos:R:3 energy=-1.5\nO 0 0 0.1\nH 0 0.77 -0.46\nH 0 -0.76 -0.47\n"
PIECES = (
    "", "\n", " ", "3", "0", "-1", "nan", "1e400", "9" * 40, "X", "Qq", "\ufeff", "\x00", "=", '"',
    "energy=", "charge=1", "pbc=T", 'Lattice="1"', "Properties=", "species:S:1", ":R:", "H 0 0 0\n",
    "config_weight=2", "\u0663", "é", "{", "[1", "\r\n", BASE,
)  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, len(BASE)), st.integers(0, 12), st.sampled_from(PIECES)), max_size=4
)


def edited(edits: list[tuple[int, int, str]]) -> bytes:
    text = BASE
    for place, removed, piece in edits:
        text = text[:place] + piece + text[place + removed :]
    return text.encode()


def written_again(molecules: Molecules) -> bytes:
    frames = []
    for k, energy in enumerate(molecules.targets["energy"]):
        atoms = slice(*molecules.offsets[k : k + 2])
        frame = Atoms(molecules.z[atoms], molecules.pos[atoms])
        frame.info["energy"] = float(energy)
        frames.append(frame)
    file = io.StringIO()
    ase.io.write(file, frames, format="extxyz")
    return file.getvalue().encode()


def check(folder: Path, content: bytes) -> None:
    path = folder / "fuzz.xyz"
    path.write_bytes(content)
    try:
        molecules = read_xyz(path, "energy")
    except DataError as error:
        # The file, the rule and the value, without the bytes of the file.
        assert str(path) in str(error) and 20 < len(str(error)) - len(str(path)) < 3000
        assert str(error).replace("\n", "").isprintable()
        return
    path.write_bytes(written_again(molecules))
    again = read_xyz(path, "energy")
    assert np.array_equal(again.z, molecules.z)
    assert again.pos == pytest.approx(molecules.pos, abs=1e-5, rel=1e-5)
    assert again.targets["energy"] == pytest.approx(molecules.targets["energy"], rel=1e-6)


some = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(some, max_examples=150)
@given(edits=EDITS)
def test_edited_files(tmp_path: Path, edits: list[tuple[int, int, str]]):
    check(tmp_path, edited(edits))


@settings(some, max_examples=50)
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, content: bytes):
    check(tmp_path, content)


@pytest.mark.slow
@settings(some, max_examples=5000)
@given(edits=EDITS)
def test_many_edited_files(tmp_path: Path, edits: list[tuple[int, int, str]]):
    check(tmp_path, edited(edits))
