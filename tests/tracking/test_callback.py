"""Tune's hooks, played by hand and by Ray itself."""

import math
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lkm_tune.tracking.callback import MlflowCallback
from lkm_tune.tracking.reader import read_runs


class Notes:
    """A recorder that only remembers what it was told."""

    def __init__(self):
        self.calls = []

    def start(self, trial, config):
        self.calls.append(("start", trial.key, config["seed"]))

    def epoch(self, trial, result):
        self.calls.append(("epoch", trial.key, result["epoch"]))

    def end(self, trial, outcome, summary=None, reason=None):
        self.calls.append(("end", trial.key, outcome, reason))

    def recall(self, trial, config, outcome, summary=None, reason=None):
        self.start(trial, config)
        self.end(trial, outcome, summary, reason)


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def hooks(notes, play):
    """Calls a hook of the callback for the small study's trial."""
    study = play.make_study()
    endings = {}
    callback = MlflowCallback(
        notes, lambda trial: study.run_config(trial).to_dict(), lambda trial: endings.get(trial.key)
    )
    config = {"trial": play.make_trial().to_dict()}

    def call(hook, last_result=None, given_up=None, **info):
        endings[play.make_trial().key] = given_up
        trial = SimpleNamespace(config=config, last_result=last_result or {})
        getattr(callback, hook)(iteration=0, trials=[trial], trial=trial, **info)

    return call


def test_a_trial_is_recorded(hooks, notes, play):
    key = play.make_trial().key
    hooks("on_trial_start")
    hooks("on_trial_result", result=play.make_result(1))
    hooks("on_trial_result", result={"summary": play.make_summary(), "done": True})
    assert notes.calls == [("start", key, 0), ("epoch", key, 1)]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({"epoch": 3, "done": True, "summary": {"outcome": "complete"}}, ("complete", None)),
        (
            {"epoch": 1, "done": True, "summary": {"outcome": "diverged", "reason": "NaN"}},
            ("diverged", "NaN"),
        ),
        ({"epoch": 1, "done": True}, ("stopped", "stopped early by the scheduler")),
        ({"epoch": 1, "done": False}, ("interrupted", "the study was interrupted")),
    ],
)
def test_how_a_trial_ends(hooks, notes, last, expected):
    hooks("on_trial_complete", last_result=last)
    (call,) = notes.calls
    assert call[2:] == expected


def test_a_trial_that_never_ran_is_not_recorded(hooks, notes):
    hooks("on_trial_complete", last_result={})
    assert notes.calls == []


def test_a_broken_attempt_is_an_end_only_where_it_is_given_up(hooks, notes, play):
    hooks("on_trial_error")
    assert notes.calls == []
    hooks("on_trial_error", given_up=("infeasible", "out of memory"))
    key = play.make_trial().key
    assert notes.calls == [("start", key, 0), ("end", key, "infeasible", "out of memory")]


def test_tune_may_pickle_it(notes):
    notes.lock = open(os.devnull)  # noqa: SIM115
    with notes.lock:
        pickle.loads(pickle.dumps(MlflowCallback(notes, math.sqrt, math.sqrt)))


TUNE = """
import logging, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
import conftest as play
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.callback import MlflowCallback

root = Path(sys.argv[2])
study = play.make_study()

class Task(tune.Trainable):
    def setup(self, config):
        self.number = config["trial"]["number"]
        self.epoch = 0

    def reset_config(self, config):
        self.setup(config)
        return True

    def step(self):
        self.epoch += 1
        if self.number == 2:
            raise RuntimeError("broken on purpose")
        losses = {"total": 1.0, "prediction": 1.0, "kd": 0.0}
        result = {"epoch": self.epoch, "losses": losses, "kd_ratio": 0.0, "lr": 1e-3}
        result |= {"val_error": 1.0 / self.epoch, "seconds": 0.01}
        if self.epoch == 3:
            result |= {"done": True, "summary": {"outcome": "complete", "val_error": 1 / 3}}
        return result

    def save_checkpoint(self, folder):
        return {"epoch": self.epoch}

    def load_checkpoint(self, state):
        self.epoch = state["epoch"]

class StopSecond(FIFOScheduler):
    def on_trial_result(self, runner, trial, result):
        stop = trial.config["trial"]["number"] == 1 and result["epoch"] == 2
        return self.STOP if stop else self.CONTINUE

if __name__ == "__main__":
    ray.init(
        address="local", num_cpus=1, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR, _temp_dir=sys.argv[4],
    )
    with StudyRecorder(study, root / "studies/small", sys.argv[3], interval=0.1) as recorder:
        callback = MlflowCallback(recorder, lambda t: study.run_config(t).to_dict(),
            lambda t: ("failed", "broken on purpose"))
        trials = [play.make_trial(number=n).to_dict() for n in range(4)]
        tune.Tuner(
            Task,
            param_space={"trial": tune.grid_search(trials)},
            tune_config=tune.TuneConfig(
                metric="val_error", mode="min", scheduler=StopSecond(), reuse_actors=True
            ),
            run_config=tune.RunConfig(
                storage_path=str(root / "tune"), callbacks=[callback], verbose=0,
            ),
        ).fit()
    ray.shutdown()
"""


@pytest.mark.slow
def test_under_ray_tune(place, play):
    command = [sys.executable, "-c", TUNE, str(Path(__file__).parent), str(place.root), place.uri]
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    # The paths of Ray's sockets may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-") as short:
        done = subprocess.run(
            [*command, short], env=os.environ | quiet, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stderr[-3000:]
    table = read_runs(place.uri).set_index("trial")
    outcomes = [table.loc[play.make_trial(number=n).key, "status"] for n in range(4)]
    assert outcomes == ["complete", "stopped", "failed", "complete"]
    assert table.loc[play.make_trial(number=1).key, "val_error"] == 0.5
    assert "broken on purpose" in table.loc[play.make_trial(number=2).key, "reason"]
