"""Studies whose driver, workers, disk and MLflow are really broken, and what is left of them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from lkm_tune.tracking import tracking_uri

# A network that tells which epoch of which run it is trained in: a line for every training step,
# of which an epoch has one here.
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
            with open(LOG, "a") as log:
                log.write(f"{os.getpid()}\\n")
            time.sleep(0.03)
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
SEARCHED = 10


@pytest.fixture
def folder(tmp_path):
    return lay_out(tmp_path)


def lay_out(path):
    (path / "counting_net.py").write_text(NET)
    (path / "tiny.yaml").write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def whole(lkm_tune, tmp_path_factory):
    """The study from beginning to end."""
    folder = lay_out(tmp_path_factory.mktemp("whole"))
    lkm_tune("run", "tiny.yaml", cwd=folder)
    return folder


def table(folder):
    runs = pd.read_csv(folder / "lkm-runs/studies/tiny/report/trials.csv")
    return runs.drop(columns=["seconds", "run_id"])


def trained_epochs(folder):
    return len((folder / "steps.log").read_text().split())


def reported_epochs(folder):
    """How many epochs the study's trials have, each counted once."""
    runs = runs_of(folder)
    return sum(len(history) for _, history in runs.values())


def runs_of(folder):
    client = MlflowClient(tracking_uri(folder / "lkm-runs"))
    experiment = client.get_experiment_by_name("tiny")
    found = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        if run.data.tags["lkm.kind"] == "trial":
            key = run.data.tags["lkm.trial"]
            assert key not in found, f"{key} is there twice"
            history = client.get_metric_history(run.info.run_id, "val/error")
            found[key] = run, [metric.step for metric in history]
    return found


def check_whole(folder, whole):
    """The folder's study is the one that was never interrupted."""
    pd.testing.assert_frame_equal(table(folder), table(whole))
    points = table(folder).query("phase == 'curve'")
    assert Counter(points[["gamma", "seed"]].itertuples(index=False, name=None)) == Counter(
        (gamma, seed) for gamma in (0.0, 0.01, 1.0) for seed in (1, 2, 3)
    )
    runs, expected = runs_of(folder), runs_of(whole)
    assert {k: (r.info.status, h) for k, (r, h) in runs.items()} == {
        k: (r.info.status, h) for k, (r, h) in expected.items()
    }
    assert {run.info.status for run, _ in runs.values()} <= {"FINISHED", "KILLED"}
    assert not list(folder.rglob("attempt-*")), "checkpoints of trials that have ended"


def kill(process):
    process.kill()
    process.wait()
    # Not read to its end: what is left of Ray still holds it for a moment.
    process.stdout.close()


def start_and_kill(start, folder, draw):
    """Kills one run of the study anywhere between its start and its report."""
    process = start("run", "tiny.yaml", cwd=folder)
    ledger = folder / "lkm-runs/studies/tiny/ledger.jsonl"

    def size():
        return ledger.stat().st_size if ledger.exists() else 0

    before = size()
    # Most kills are to come while trials run, not while modules are imported.
    wait = draw.random() < 0.7
    while wait and process.poll() is None and size() == before:
        time.sleep(0.02)
    try:
        process.wait(draw.uniform(0, 2.0 if wait else 10.0))
    except subprocess.TimeoutExpired:
        kill(process)
    else:
        assert process.returncode == 0, process.communicate()[0]


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_driver_killed_again_and_again(start, lkm_tune, whole, folder, kills):
    draw = random.Random(kills)
    for _ in range(kills):
        start_and_kill(start, folder, draw)
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check_whole(folder, whole)
    wasted = trained_epochs(folder) - reported_epochs(whole)
    # The epoch that was being trained at a kill is all that it costs.
    assert 0 <= wasted <= kills


@pytest.mark.slow
def test_a_torn_line_in_the_ledger_and_killed_workers(start, whole, folder):
    """Trial processes are killed in the middle of an epoch; their trials go on elsewhere."""
    process = start("run", "tiny.yaml", cwd=folder)
    wait_for_steps(folder, 20)
    kill(process)
    with (folder / "lkm-runs/studies/tiny/ledger.jsonl").open("a") as ledger:
        ledger.write('{"op_code":8,"worker_id":"a","tri')
    before = trained_epochs(folder)
    process = start("run", "tiny.yaml", cwd=folder)
    kills = 4
    for number in range(kills):
        wait_for_steps(folder, before + 10 + 20 * number)
        os.kill(int((folder / "steps.log").read_text().split()[-1]), signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    check_whole(folder, whole)
    assert trained_epochs(folder) - reported_epochs(whole) <= kills + 1


def wait_for_steps(folder, count):
    log = folder / "steps.log"
    for _ in range(6000):
        if log.exists() and len(log.read_text().split()) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{count} steps were never trained")


def test_a_second_driver_is_refused_and_told_of_the_first(start, lkm_tune, folder):
    first = start("run", "tiny.yaml", cwd=folder)
    wait_for_steps(folder, 1)
    output = lkm_tune("run", "tiny.yaml", cwd=folder, code=1)
    assert f"is being run by process {first.pid} on " in output
    (before,) = json.loads(lkm_tune("status", "--json", cwd=folder))
    kill(first)
    (after,) = json.loads(lkm_tune("status", "--json", cwd=folder))
    assert before["driver"].startswith(f"process {first.pid} on ")
    assert after["driver"] is None
    assert before["cells"][0]["search"]["running"] == 1
    assert after["cells"][0]["search"]["interrupted"] == 1
    assert "nobody runs it" in lkm_tune("status", cwd=folder)


def test_a_limit_ends_a_study_that_a_higher_one_continues(lkm_tune, whole, folder):
    few = ("--set", f"search.trial_limit={SEARCHED - 1}")
    output = lkm_tune("run", "tiny.yaml", *few, cwd=folder)
    assert "no report, since no curve has a run" in output
    assert f"search.trial_limit: {SEARCHED - 1} of {SEARCHED - 1} trials have begun" in output
    more = ("--set", f"search.trial_limit={SEARCHED + 2}", "--set", "search.time_limit=9")
    lkm_tune("run", "tiny.yaml", *more, cwd=folder)
    page = (folder / "lkm-runs/studies/tiny/report/report.html").read_text()
    assert f"search.trial_limit: {SEARCHED + 2} of {SEARCHED + 2} trials have begun" in page
    (status,) = json.loads(lkm_tune("status", "--json", cwd=folder))
    assert status["left"]["trials"] == 0
    assert status["left"]["wall"] == pytest.approx(9 - status["spent_hours"]["wall"])
    assert status["spent_hours"]["cpu"] > 0
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check_whole(folder, whole)


# With this seed the four trials of the search draw the four kinds.
MEMORY = ("--set", "space.hunger={type: choice, values: [none, alone, always, kill]}",
          "--set", "search.sampler=random", "--set", "search.trials=4", "--set", "seed=3",
          "--set", "curve.seeds=[1]")  # fmt: skip


@pytest.mark.slow
def test_out_of_memory(lkm_tune, folder):
    """What a node to itself can hold is trained there; what nothing can hold is a finding."""
    output = lkm_tune("run", "tiny.yaml", *MEMORY, cwd=folder)
    runs = table(folder)
    search = runs[runs["phase"] == "search"]
    status = search.groupby("hunger")["status"].agg(set).to_dict()
    assert status["always"] == status["kill"] == {"infeasible"}
    assert "infeasible" not in status["none"] | status["alone"]
    reasons = search.groupby("hunger")["reason"].first()
    assert reasons["always"].startswith("out of memory")
    assert "DefaultCPUAllocator" in reasons["always"]
    assert "A guess: it was out of memory" in reasons["kill"]
    assert "did not fit: counting_net_net-qm9_alpha-16/search/" in output
    assert (runs[runs["phase"] == "curve"]["status"] == "complete").all()
    outcome = {run.data.tags["lkm.outcome"]: run.info.status for run, _ in runs_of(folder).values()}
    assert outcome["infeasible"] == "FAILED"
    assert "RUNNING" not in outcome.values()


def test_divergence_is_a_boundary_of_the_curve(lkm_tune, folder):
    few = (
        "--set",
        "search.trials=2",
        "--set",
        "curve.seeds=[1]",
        "--set",
        "curve.gammas=[0, 0.01, 0.1, 1, 1e300]",
    )
    output = lkm_tune("run", "tiny.yaml", *few, cwd=folder)
    points = table(folder).query("phase == 'curve'")
    assert (points["status"] == "diverged").equals(points["gamma"] == 1e300)
    assert "training diverges at γ = 1e+300, which bounds the range" in output
    diverged = [run for run, _ in runs_of(folder).values() if run.data.params["gamma"] == "1e+300"]
    assert {run.info.status for run in diverged} == {"FINISHED"}
    assert all(len(history) <= 2 for run, history in runs_of(folder).values() if run in diverged)


def test_mlflow_down_for_good(lkm_tune, whole, folder):
    """The study ends with its report; what MLflow lacks is delivered when it is back."""
    nobody = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    output = lkm_tune("run", "tiny.yaml", cwd=folder, **nobody)
    assert "MLflow has not got" in output
    assert "the same command again delivers them" in output
    pd.testing.assert_frame_equal(table(folder), table(whole))
    assert (folder / "lkm-runs/studies/tiny/report/report.html").exists()
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check_whole(folder, whole)


def test_a_full_disk_and_one_that_is_read_only(small_disk, environment, whole, folder):
    """The error names the folder, no trial has failed, and with room the study goes on."""
    storage = folder / "lkm-runs"
    storage.mkdir()
    run = f"{Path(sys.executable).with_name('lkm-tune')} run tiny.yaml"
    script = f"""
        {run}; echo "exit $?"
        mount -o remount,ro {storage}; {run}; echo "exit $?"
        mount -o remount,rw,size=500m {storage}; {run}; echo "exit $?"
        cp -r {storage} {folder / "copy"}
    """
    command = ["sh", "-c", script]
    output = small_disk(storage, "700k", command, cwd=folder, env=environment)
    full, read_only, end = output.split("exit ")[:3]
    assert f"{storage}/studies/tiny cannot be written" in full
    assert "No space left on device" in full
    assert "Traceback" not in full + read_only
    assert "Read-only file system" in read_only
    assert output.split("exit ")[1][0] == output.split("exit ")[2][0] == "1"
    assert output.split("exit ")[3][0] == "0", end
    storage.rmdir()
    (folder / "copy").rename(storage)
    check_whole(folder, whole)
    assert trained_epochs(folder) - reported_epochs(whole) <= 2
