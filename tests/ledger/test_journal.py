"""The journal of the ledger: several lines in one write."""

import errno
import os

import optuna
import pytest

from lkm_tune.ledger.journal import open_journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger"


def test_lines_written_together_wait_for_the_disk_once_and_are_read_at_once(path, monkeypatch):
    waits = []
    fsync = os.fsync
    journal, storage = open_journal(path)
    study = optuna.create_study(storage=storage)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda file: (waits.append(file), fsync(file)))
    with journal.together():
        for number in range(3):
            trial = study.ask()
            trial.set_user_attr("number", number)
            study.tell(trial, float(number))
        assert [t.user_attrs["number"] for t in study.trials] == [0, 1, 2]
        assert path.read_bytes() == before
    assert len(waits) == 1
    study.ask()
    assert len(waits) == 2
    _, again = open_journal(path)
    kept = optuna.load_study(storage=again, study_name=study.study_name).trials
    assert [(t.state.name, t.value) for t in kept] == [
        ("COMPLETE", 0.0), ("COMPLETE", 1.0), ("COMPLETE", 2.0), ("RUNNING", None),
    ]  # fmt: skip


def test_after_a_full_disk_nothing_is_written_that_would_be_misread(path, monkeypatch):
    """A trial that only memory has counted would give the next trial a wrong number."""
    journal, storage = open_journal(path)
    study = optuna.create_study(storage=storage)
    before = path.read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        with journal.together():
            study.ask()
    with pytest.raises(OSError, match="No space left"):
        study.ask()
    assert path.read_bytes() == before
