"""Checkpoints: the newest valid file counts, and damage is reported."""

import os
import re
import sys

import pytest
import torch

from lkm_tune.training import CheckpointError, Checkpoints


def state(value):
    return {"weights": torch.tensor([value]), "epoch": int(value)}


def files(folder):
    """Number of the attempt and epoch of each."""
    found = re.findall(r"attempt-(\d+)-\w{4}-epoch-(\d+)", " ".join(map(str, folder.iterdir())))
    return sorted((int(attempt), int(epoch)) for attempt, epoch in found)


def file_of(folder, epoch):
    (path,) = folder.glob(f"attempt-001-*-epoch-{epoch:05d}.pt")
    return path


def test_the_newest_and_the_one_before_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest() is None
    for epoch in (1, 2, 10):
        checkpoints.save(state(float(epoch)), epoch)
    assert files(tmp_path) == [(1, 2), (1, 10)]
    assert checkpoints.newest() == {"weights": torch.tensor([10.0]), "epoch": 10}


def test_attempts_have_files_of_their_own(tmp_path):
    first, second = Checkpoints(tmp_path), Checkpoints(tmp_path)
    first.save(state(1.0), 1)
    second.save(state(2.0), 2)
    # The first attempt returns after it was cut off: it writes only its own files.
    first.save(state(1.5), 1)
    assert files(tmp_path) == [(1, 1), (2, 2)]
    assert Checkpoints(tmp_path).newest()["epoch"] == 2


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    begin = content.index(torch.tensor([3.0]).numpy().tobytes())
    content[begin] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, empty])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, damage, caplog):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (2, 3):
        checkpoints.save(state(float(epoch)), epoch)
    damage(file_of(tmp_path, 3))
    assert Checkpoints(tmp_path).newest()["epoch"] == 2
    assert "epoch-00003.pt cannot be read as a checkpoint" in caplog.text


def test_where_all_are_damaged_nothing_begins_again_without_a_word(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (2, 3):
        checkpoints.save(state(float(epoch)), epoch)
        cut(file_of(tmp_path, epoch))
    with pytest.raises(CheckpointError, match=r"00003.*00002.*delete them .* from its start"):
        checkpoints.newest()


FULL = """
import sys, torch
from pathlib import Path
from lkm_tune.training import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
checkpoints.save({"epoch": 1}, 1)
try:
    checkpoints.save({"weights": torch.zeros(1_000_000)}, 2)
except OSError as error:
    print(error)
print([path.name for path in Path(sys.argv[1]).rglob("*.p*t")], checkpoints.newest())
"""


def test_a_full_disk_is_named_and_leaves_the_one_before(tmp_path, small_disk):
    output = small_disk(tmp_path, "1m", [sys.executable, "-c", FULL, tmp_path])
    assert "epoch-00002.pt could not be written: No space left on device" in output
    assert re.search(r"\['attempt-001-\w+-epoch-00001.pt'\] {'epoch': 1}", output)


def test_a_half_written_one_does_not_count(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1.0), 1)
    (tmp_path / "attempt-001-0000-epoch-00002.pt.1234.part").write_bytes(b"half")
    assert Checkpoints(tmp_path).newest()["epoch"] == 1


class Payload:
    def __reduce__(self):
        return (os.mkdir, ("owned",))


def test_a_foreign_one_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Payload()}, tmp_path / "attempt-001-0000-epoch-00001.pt")
    with pytest.raises(CheckpointError):
        Checkpoints(tmp_path).newest()
    assert not (tmp_path / "owned").exists()


def test_discard_leaves_what_is_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1.0), 1)
    (tmp_path / "attempt-001-0000-epoch-00002.pt.1234.part").write_bytes(b"half")
    (tmp_path / "model.safetensors").write_bytes(b"")
    checkpoints.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
