"""Users' extended XYZ files: units, signs, charges, repeats, elements, compression."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError, MoleculeData, load_task
from lkm_tune.datasets.xyz import read_xyz
from lkm_tune.study import DataPlan

Frames = Callable[..., Path]
EV = 27.211386245988
BOHR = 0.529177210903


def text_of(frames: list[tuple[list[str], np.ndarray, np.ndarray, str]]) -> str:
    """Frames from symbols, positions, forces and the rest of the comment line."""
    lines = []
    for symbols, pos, forces, comment in frames:
        lines += [str(len(symbols)), f"Properties=species:S:1:pos:R:3:forces:R:3 {comment}"]
        lines += [
            f"{s} " + " ".join(f"{x:.8f}" for x in (*p, *f))
            for s, p, f in zip(symbols, pos, forces, strict=True)
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def write(tmp_path: Path, vibrating: dict[str, np.ndarray]) -> Frames:
    """Writes 60 frames of methane in eV, eV/Å and Å, each quantity times a factor."""

    def write(energy: float = 1, forces: float = 1, pos: float = 1, shift: float = 0) -> Path:
        frames = [
            (
                list("CHHHH"),
                pos * vibrating["pos"][k] + shift,
                forces * EV * vibrating["forces"][k],
                f"energy={energy * EV * vibrating['energy'][k]:.8f}",
            )
            for k in range(60)
        ]
        path = tmp_path / "own.xyz"
        path.write_text(text_of(frames))
        return path

    return write


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"forces": -1}, "stiffness of C–H bonds .* other sign"),
        ({"forces": BOHR / EV}, "stiffness of C–H bonds .*Hartree/bohr"),
        ({"forces": BOHR}, "stiffness of C–H bonds .*eV/bohr"),
        ({"pos": 1 / BOHR}, "positions must be in Å|Positions must be in Å; likely.*bohr"),
        ({"pos": 0.1}, "Positions must be in Å; likely.*nm"),
        ({"energy": 23.06}, "by the work of the forces.*energies in kcal/mol with .*eV/Å"),
        ({"energy": 1 / EV, "forces": 1 / EV}, "stiffness of C–H bonds .*Hartree/Å"),
    ],
)
def test_a_wrong_unit_or_sign_is_refused_and_can_be_gone_on_with(
    write: Frames, factors: dict[str, float], message: str
):
    assert len(read_xyz(write(), "energy", "forces")) == 60
    path = write(**factors)
    with pytest.raises(DataError, match=message) as error:
        read_xyz(path, "energy", "forces")
    assert "unchecked: true" in str(error.value)
    assert len(read_xyz(path, "energy", "forces", unchecked=True)) == 60


def test_a_total_energy_in_another_unit_is_noticed(write: Frames):
    with pytest.raises(DataError, match="all electrons in Hartree"):
        read_xyz(write(energy=1 / EV), "energy")


def test_a_molecule_far_away_is_the_same(write: Frames):
    near = read_xyz(write(), "energy", "forces")
    far = read_xyz(write(shift=10_000.0), "energy", "forces")
    assert np.abs(near.pos - far.pos).max() < 1e-6


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_is_read_whatever_its_name(write: Frames, compress: Callable):
    path = write()
    plain = read_xyz(path, "energy", "forces")
    path.write_bytes(compress(path.read_bytes()))
    packed = read_xyz(path, "energy", "forces")
    assert np.array_equal(plain.pos, packed.pos)


def test_bytes_are_not_shown(tmp_path: Path):
    path = tmp_path / "bytes.xyz"
    path.write_bytes(bytes(range(128, 256)) * 99)
    with pytest.raises(DataError, match="is not a readable extended XYZ file") as error:
        read_xyz(path, "energy")
    assert len(str(error.value)) < 300


WATER = np.array([[0, 0, 0.1], [0, 0.77, -0.46], [0, -0.76, -0.47]])


def water(tmp_path: Path, *comments: str, column: str = "", values: str = "0 0 0") -> Path:
    """Frames of water, each a little larger than the one before."""
    lines = []
    for number, comment in enumerate(comments):
        lines += ["3", f"Properties=species:S:1:pos:R:3{column} {comment}"]
        for symbol, place, value in zip("OHH", WATER, values.split(), strict=True):
            numbers = " ".join(f"{x:.6f}" for x in place * (1 + 0.01 * number))
            lines.append(f"{symbol} {numbers} {value if column else ''}")
    path = tmp_path / "water.xyz"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("key", ["charge", "mol_charge", "net_charge", "total_charge", "q"])
def test_a_charge_is_found_under_its_usual_names(tmp_path: Path, key: str):
    with pytest.raises(DataError, match=f"frame 0 has {key} 1, which no model can use"):
        read_xyz(water(tmp_path, f"energy=-1 {key}=1"), "energy")
    assert len(read_xyz(water(tmp_path, f"energy=-1 {key}=0"), "energy")) == 1


@pytest.mark.parametrize("name", ["charges", "initial_charges", "mulliken_charges"])
@pytest.mark.parametrize(("values", "charged"), [("-0.8 0.401 0.4", False), ("0 0.5 0.5", True)])
def test_partial_charges_are_summed(tmp_path: Path, name: str, values: str, charged: bool):
    path = water(tmp_path, "energy=-1", column=f":{name}:R:1", values=values)
    if charged:
        with pytest.raises(DataError, match=f"frame 0 has {name} 1"):
            read_xyz(path, "energy")
    else:
        assert len(read_xyz(path, "energy")) == 1


def test_weights_of_frames_are_refused(tmp_path: Path):
    assert len(read_xyz(water(tmp_path, "energy=-1 config_weight=1.0"), "energy")) == 1
    with pytest.raises(DataError, match="frame 1 has config_weight .*weigh the same"):
        path = water(tmp_path, "energy=-1 config_weight=1", "energy=-2 config_weight=2.5")
        read_xyz(path, "energy")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("decimals", [8, 5, 4])
def test_a_frame_that_was_moved_and_turned_is_a_repeat(
    tmp_path: Path, vibrating: dict[str, np.ndarray], decimals: int, mirrored: bool
):
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn[:, 0] *= np.linalg.det(turn) * (-1 if mirrored else 1)
    pos = np.round(vibrating["pos"][:20], decimals)
    again = np.round(pos[4] @ turn + [5.0, -3.0, 70.0], decimals)
    frames = [
        (list("CHHHH"), place, np.zeros((5, 3)), f"energy={-1000 - k}")
        for k, place in enumerate([*pos, again])
    ]
    path = tmp_path / "repeats.xyz"
    path.write_text(text_of(frames))
    with pytest.raises(DataError, match="frame 20 is frame 4 again"):
        read_xyz(path, "energy")
    path.write_text(text_of(frames[:20]))
    assert len(read_xyz(path, "energy")) == 20


def with_bromine(tmp_path: Path) -> Path:
    """39 frames of water, and one of hydrogen bromide at the front."""
    path = water(tmp_path, *(f"energy={-2081 - 0.1 * k}" for k in range(39)))
    rare = "2\nProperties=species:S:1:pos:R:3 energy=-71000\nBr 0 0 0\nH 0 0 1.41\n"
    path.write_text(rare + path.read_text())
    return path


def test_an_element_that_training_lacks_is_refused_or_moved(tmp_path: Path):
    name = f"file:{with_bromine(tmp_path)}"
    seeds: dict[bool, int] = {}
    for seed in range(20):
        plan = DataPlan(n_train=20, n_val=10)
        try:
            load_task(name, plan, seed, 5.0, tmp_path)
            seeds[True] = seed
        except DataError as error:
            assert "none of its 20 molecules has Br" in str(error) and "numbers 0 (" in str(error)
            seeds[False] = seed
    assert len(seeds) == 2
    plan = DataPlan(n_train=20, n_val=10, rare_elements="train")
    moved = load_task(name, plan, seeds[False], 5.0, tmp_path)
    assert isinstance(moved, MoleculeData)
    assert 0 in moved.split.train and len(moved.split.train) == 21
    assert 35 in moved.trained_elements and "Br" in moved.notes[-1]
