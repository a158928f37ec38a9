"""Checkpoints: the newest whole one counts, and damage is said and not passed over."""

import os

import pytest
import torch

from lkm_tune.training import CheckpointError, Checkpoints


def state(value):
    return {"weights": torch.tensor([value]), "epoch": int(value)}


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_the_newest_is_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest() is None
    for epoch in (1, 2, 10):
        checkpoints.save(state(float(epoch)), epoch)
    assert files(tmp_path) == ["attempt-001/epoch-00010.pt"]
    assert checkpoints.newest() == {"weights": torch.tensor([10.0]), "epoch": 10}


def test_attempts_have_folders_of_their_own(tmp_path):
    first, second = Checkpoints(tmp_path), Checkpoints(tmp_path)
    first.save(state(1.0), 1)
    second.save(state(2.0), 2)
    # The first comes back after it was cut off: it adds to its own folder only.
    first.save(state(1.5), 1)
    assert files(tmp_path / "attempt-002") == ["epoch-00002.pt"]
    assert Checkpoints(tmp_path).newest()["epoch"] == 2


def test_a_damaged_one_is_an_error_that_names_it(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(3.0), 3)
    path = tmp_path / "attempt-001" / "epoch-00003.pt"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CheckpointError, match=r"epoch-00003\.pt cannot be read .* delete it"):
        checkpoints.newest()


def test_a_half_written_one_does_not_count(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1.0), 1)
    (tmp_path / "attempt-001" / "epoch-00002.part").write_bytes(b"half")
    assert Checkpoints(tmp_path).newest()["epoch"] == 1


class Payload:
    def __reduce__(self):
        return (os.mkdir, ("owned",))


def test_a_foreign_one_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "attempt-001").mkdir()
    torch.save({"weights": Payload()}, tmp_path / "attempt-001" / "epoch-00001.pt")
    with pytest.raises(CheckpointError):
        Checkpoints(tmp_path).newest()
    assert not (tmp_path / "owned").exists()


def test_discard_leaves_what_is_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1.0), 1)
    (tmp_path / "model.safetensors").write_bytes(b"")
    checkpoints.discard()
    assert files(tmp_path) == ["model.safetensors"]
