import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from lkm_tune.datasets import DataError, Molecules, MoleculeStore, open_prepared
from lkm_tune.datasets.prepared import _key
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9

WriteQm9 = Callable[..., Path]


class CountedReader:
    """`read_qm9` that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: Path) -> Molecules:
        self.calls += 1
        return read_qm9(path)


def left(cache: Path) -> list[str]:
    """The files in the cache, without locks."""
    return sorted(p.name for p in cache.iterdir() if p.suffix != ".lock")


def test_prepared_once_then_opened(tmp_path: Path, write_qm9: WriteQm9):
    source, read, cache = write_qm9(), CountedReader(), tmp_path / "deep" / "cache"
    first = open_prepared(source, read, 5.0, cache)
    again = open_prepared(source, read, 5.0, cache)
    assert read.calls == 1
    assert np.array_equal(first.edges, again.edges) and len(left(cache)) == 1


def test_another_cutoff_or_another_content_is_prepared_anew(tmp_path: Path, write_qm9: WriteQm9):
    read, cache = CountedReader(), tmp_path / "cache"
    wide = open_prepared(write_qm9(), read, 5.0, cache)
    narrow = open_prepared(write_qm9(), read, 1.5, cache)
    assert (wide.edges.shape[1], narrow.edges.shape[1]) == (5 * 4 + 3 * 2, 4 * 2 + 2 * 2)
    assert np.array_equal(wide.bonds, narrow.bonds)
    changed = open_prepared(write_qm9(G=np.array([-40.498597, -76.422348])), read, 5.0, cache)
    assert changed.targets["G"][1] == -76.422348
    assert read.calls == 3 and len(left(cache)) == 3


def test_the_cache_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_qm9: WriteQm9):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LKM_TUNE_CACHE", raising=False)
    open_prepared(write_qm9(), read_qm9, 5.0)
    assert len(left(tmp_path / "home" / ".cache" / "lkm-tune")) == 1
    monkeypatch.setenv("LKM_TUNE_CACHE", str(tmp_path / "chosen"))
    open_prepared(write_qm9(), read_qm9, 5.0)
    assert len(left(tmp_path / "chosen")) == 1


def test_atoms_on_one_another_are_refused_and_nothing_is_kept(tmp_path: Path, write_qm9: WriteQm9):
    pos = read_qm9(write_qm9()).pos.copy()
    pos[7] = pos[6]
    cache = tmp_path / "cache"
    message = "id 3 atoms [12] and [12] .* are 0 Å apart"
    # r2 does not detect two close hydrogens of water, so the check of distances must.
    with pytest.raises(DataError, match=message):
        open_prepared(write_qm9(pos=pos), read_qm9, 5.0, cache)
    assert left(cache) == []


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.inf, np.nan])
def test_a_cutoff_that_is_none_is_refused(tmp_path: Path, cutoff: float):
    with pytest.raises(ValueError, match=f"positive number of Å, but is {cutoff}"):
        open_prepared(SAMPLE, read_qm9, cutoff, tmp_path)


def test_a_source_that_is_gone_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.npz: cannot be read"):
        open_prepared(tmp_path / "gone.npz", read_qm9, 5.0, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, write_qm9: WriteQm9):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="set LKM_TUNE_CACHE"):
        open_prepared(write_qm9(), read_qm9, 5.0, tmp_path / "file" / "cache")


def test_an_interrupted_build_leaves_nothing_and_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_qm9: WriteQm9
):
    source, cache, save = write_qm9(), tmp_path / "cache", MoleculeStore.save

    def interrupted(store: MoleculeStore, folder: Path) -> None:
        save(store, folder)
        (folder / "edges.npy").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MoleculeStore, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_prepared(source, read_qm9, 5.0, cache)
    assert left(cache) == []
    # A killed process cannot clean up.
    partial = cache / f"{_key(source, 5.0)}.partial"
    partial.mkdir()
    (partial / "stray.npy").write_bytes(b"half")
    assert len(open_prepared(source, read_qm9, 5.0, cache)) == 2
    assert left(cache) == [_key(source, 5.0)]
    assert not (cache / _key(source, 5.0) / "stray.npy").exists()


def test_a_damaged_store_is_built_again(tmp_path: Path, write_qm9: WriteQm9):
    source, cache = write_qm9(), tmp_path / "cache"
    expected = open_prepared(source, read_qm9, 5.0, cache).edges.copy()
    (cache / _key(source, 5.0) / "edges.npy").write_bytes(b"damaged")
    assert np.array_equal(open_prepared(source, read_qm9, 5.0, cache).edges, expected)
    assert np.array_equal(MoleculeStore.open(cache / _key(source, 5.0)).edges, expected)


ONE_OF_TWO = """
import sys
from pathlib import Path
from lkm_tune.datasets import open_prepared
from lkm_tune.datasets.qm9 import SAMPLE, read_qm9
reads = []
def read(path):
    reads.append(path)
    return read_qm9(path)
Path(sys.argv[2]).touch()
store = open_prepared(SAMPLE, read, 5.0, Path(sys.argv[1]))
print(len(reads), int(store.edges.sum(dtype=int)))
"""


def test_of_two_processes_at_once_one_builds_and_both_read_the_same(
    tmp_path: Path, sample_store: MoleculeStore
):
    cache = tmp_path / "cache"
    cache.mkdir()
    signs = [tmp_path / "ready-0", tmp_path / "ready-1"]
    # The lock is held until both processes are about to ask for it.
    with FileLock(cache / f"{_key(SAMPLE, 5.0)}.lock"):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", ONE_OF_TWO, str(cache), str(sign)],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for sign in signs
        ]
        until = time.monotonic() + 120
        while not all(sign.exists() for sign in signs) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
    answers = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(int(reads) for reads, _ in answers) == [0, 1]
    expected = int(sample_store.edges.sum(dtype=int))
    assert [int(total) for _, total in answers] == [expected, expected]
    assert left(cache) == [_key(SAMPLE, 5.0)]
