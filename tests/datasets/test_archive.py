import zipfile
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.archive import read_arrays
from lkm_tune.datasets.qm9 import SAMPLE


def test_reads_the_named_arrays_only(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3), y=np.array([object()]), allow_pickle=True)
    assert read_arrays(path, ["x"])["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, share: float):
    whole = SAMPLE.read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"cut\.npz: is not a readable \.npz archive"):
        read_arrays(path, ["pos"])


def test_a_flipped_bit_is_noticed(tmp_path: Path):
    damaged = bytearray(SAMPLE.read_bytes())
    with zipfile.ZipFile(SAMPLE) as archive:
        start = archive.getinfo("pos.npy").header_offset
    damaged[start + 10_000] ^= 1
    path = tmp_path / "flipped.npz"
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"flipped\.npz: is not a readable \.npz archive"):
        read_arrays(path, ["pos"])


def test_pickled_objects_are_never_opened(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "went-off",))

    inside = tmp_path / "inside.npz"
    np.savez(inside, x=np.array([Bomb()], dtype=object), allow_pickle=True)
    plain = tmp_path / "plain.npz"
    np.array([Bomb()], dtype=object).dump(plain)
    for path in (inside, plain):
        with pytest.raises(DataError, match="pickled Python objects"):
            read_arrays(path, ["x"])
    assert not (tmp_path / "went-off").exists()


def test_what_is_missing_and_what_is_there_are_named(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with pytest.raises(DataError, match="lacks the arrays y, z; it has x"):
        read_arrays(tmp_path / "a.npz", ["x", "y", "z"])
    np.save(tmp_path / "single.npy", np.arange(3))
    with pytest.raises(DataError, match="single array"):
        read_arrays(tmp_path / "single.npy", ["x"])
    with pytest.raises(DataError, match=r"gone\.npz: there is no such file"):
        read_arrays(tmp_path / "gone.npz", ["x"])
    with pytest.raises(DataError, match="is not a readable"):
        read_arrays(tmp_path, ["x"])
