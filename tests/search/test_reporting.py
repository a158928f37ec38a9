"""The batches of reported epochs, with a clock of the test."""

import pytest

from lkm_tune.search import reporting
from lkm_tune.search.reporting import BATCH_SECONDS, StudyTrainable


class Trial(StudyTrainable):
    """Ten epochs of given seconds each."""

    def begin(self, config):
        self.epoch = 0
        self.known_epochs = config["known"]

    def step(self):
        self.epoch += 1
        Clock.now += 0.0 if self.epoch <= self.known_epochs else self.config["seconds"]
        return {"epoch": self.epoch, "done": self.epoch == 10}

    def keep(self, must):
        return must or self.config["cheap"]


class Clock:
    now = 0.0

    @classmethod
    def monotonic(cls):
        return cls.now


def batches(trial):
    found = []
    while not (found and found[-1][-1] == 10):
        found.append([report["epoch"] for report in trial.train_buffered(0.0)])
    return found


@pytest.mark.parametrize(
    ("seconds", "rungs", "known", "expected"),
    [
        (0.0, (), 0, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]),
        (0.0, (3, 9), 0, [[1, 2, 3], [4, 5, 6, 7, 8, 9], [10]]),
        (BATCH_SECONDS, (3,), 0, [[epoch] for epoch in range(1, 11)]),
        (BATCH_SECONDS / 2, (3,), 0, [[1, 2], [3], [4, 5], [6, 7], [8, 9], [10]]),
        # Epochs of an earlier attempt are reported before this attempt can break.
        (0.0, (3,), 6, [[1, 2, 3], [4, 5, 6], [7, 8, 9, 10]]),
    ],
)
def test_a_batch_ends_at_a_rung_and_when_its_time_is_over(
    monkeypatch, tmp_path, seconds, rungs, known, expected
):
    monkeypatch.setattr(reporting, "time", Clock)
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path))
    trial = Trial({"seconds": seconds, "rungs": rungs, "known": known, "cheap": False})
    assert batches(trial) == expected
    trial.reset_config(trial.config)
    assert batches(trial) == expected
    trial.stop()


@pytest.mark.parametrize(
    ("cheap", "kept"),
    [(True, [2, 3, 5, 7, 9, 10]), (False, [3, 10])],
)
def test_a_batch_ends_with_a_checkpoint_that_must_be_or_is_cheap(
    monkeypatch, tmp_path, cheap, kept
):
    monkeypatch.setattr(reporting, "time", Clock)
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path))
    config = {"seconds": BATCH_SECONDS / 2, "rungs": (3,), "known": 0, "cheap": cheap}
    trial, found = Trial(config), []
    while not (found and found[-1]["done"]):
        found += trial.train_buffered(0.0)
    assert [report["epoch"] for report in found if report["kept"]] == kept
    trial.stop()
