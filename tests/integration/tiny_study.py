"""A study that records its trained epochs, and the checks of its end after any disturbance."""

import time
from collections import Counter

import pandas as pd
from mlflow import MlflowClient

from lkm_tune.tracking import tracking_uri

# A network that writes a line with run and epoch for every training step; an epoch has one step
# here. It takes no step while the file `hold` exists next to it.
NET = """
import os
import signal
import time
import ray
import torch
from lkm_tune.models import ModelOutput

def eat(hunger):
    if hunger == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    alone = ray.get_runtime_context().get_assigned_resources()["CPU"] > 1
    if hunger == "always" or hunger == "alone" and not alone:
        torch.empty(10**16)

LOG = os.path.join(os.path.dirname(__file__), "steps.log")
HOLD = os.path.join(os.path.dirname(__file__), "hold")

class Net(torch.nn.Module):
    cutoff = 5.0

    def __init__(self, width, depth, hunger):
        super().__init__()
        self.hunger = hunger
        self.embed = torch.nn.Embedding(20, width)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(depth))
        self.out = torch.nn.Linear(width, 1)

    def forward(self, batch):
        if self.training:
            while os.path.exists(HOLD):
                time.sleep(0.05)
            with open(LOG, "a") as log:
                log.write(f"{os.getpid()}\\n")
            time.sleep(0.01)
            eat(self.hunger)
        state = self.embed(batch.z)
        layers = []
        for block in self.blocks:
            state = state + torch.tanh(block(state))
            layers.append(state)
        molecules = int(batch.graph_index.max()) + 1
        sums = torch.zeros(molecules, state.shape[1]).index_add(0, batch.graph_index, state)
        return ModelOutput(self.out(sums), layers)

def net(width: int = 4, depth: int = 2, hunger: str = "none"):
    return Net(width, depth, hunger)
"""
STUDY = """
name: tiny
models: ["counting_net:net"]
tasks: [qm9/alpha]
data: {source: sample, n_train: 16, n_val: 8, n_test: 8}
space:
  gamma: {type: float, low: 1e-4, high: 100, log: true}
  depth: {type: int, low: 2, high: 4}
search: {trials: 10, startup_trials: 4, grace_period: 4, control: false, max_concurrent: 1}
curve: {gammas: [0, 0.01, 1], seeds: [1, 2, 3]}
training: {epochs: 16, batch_size: 16, warmup_epochs: 1, lr: 0.01}
"""
GAP = 8
"""The largest number of epochs between two rungs, 4 and 12: a checkpoint is certain only there."""

LOOKS = """
name: looks
models: ["counting_net:net"]
tasks: [qm9/alpha, qm9/homo]
data: {source: sample, n_train: 16, n_val: 8, n_test: 8}
space: {gamma: {type: float, low: 1e-4, high: 100, log: true}}
search: {trials: 0, max_concurrent: 2}
curve: {gammas: [0, 0.01, 1, 100], seeds: 3, until: decided, max_seeds: 8}
training: {epochs: 6, batch_size: 16, warmup_epochs: 1, lr: 0.01}
"""
"""Two cells that stay undecided, so that looks happen at 3, 5 and 8 seeds."""


def lay_out(path):
    """Writes the studies and their network into a folder."""
    (path / "counting_net.py").write_text(NET)
    (path / "tiny.yaml").write_text(STUDY)
    (path / "looks.yaml").write_text(LOOKS)
    return path


def table(folder):
    runs = pd.read_csv(folder / "lkm-runs/studies/tiny/report/trials.csv")
    return runs.drop(columns=["seconds"])


def trained_epochs(folder):
    log = folder / "steps.log"
    return len(log.read_text().split()) if log.exists() else 0


def reported_epochs(folder):
    """The number of different epochs of the study's trials."""
    runs = runs_of(folder)
    return sum(len(history) for _, history in runs.values())


def runs_of(folder, uri=None):
    """Key of a trial -> its run with its epochs in MLflow."""
    client = MlflowClient(uri or tracking_uri(folder / "lkm-runs"))
    experiment = client.get_experiment_by_name("tiny")
    found = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        if run.data.tags["lkm.kind"] == "trial":
            key = run.data.tags["lkm.trial"]
            assert key not in found, f"{key} is there twice"
            history = client.get_metric_history(run.info.run_id, "val/error")
            found[key] = run, [metric.step for metric in history]
    return found


def check_whole(folder, whole, uri=None):
    """Checks that the study and its runs in the MLflow at `uri` equal the undisturbed study."""
    pd.testing.assert_frame_equal(table(folder), table(whole))
    points = table(folder).query("phase == 'curve'")
    assert Counter(points[["gamma", "seed"]].itertuples(index=False, name=None)) == Counter(
        (gamma, seed) for gamma in (0.0, 0.01, 1.0) for seed in (1, 2, 3)
    )
    runs, expected = runs_of(folder, uri), runs_of(whole)
    assert {k: (r.info.status, h) for k, (r, h) in runs.items()} == {
        k: (r.info.status, h) for k, (r, h) in expected.items()
    }
    assert {run.info.status for run, _ in runs.values()} <= {"FINISHED", "KILLED"}
    assert not list(folder.rglob("attempt-*")), "checkpoints of trials that have ended"


def wait_for_steps(folder, count):
    for _ in range(6000):
        if trained_epochs(folder) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{count} steps were never trained")
