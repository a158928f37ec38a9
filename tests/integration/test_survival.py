"""Studies after real failures of their driver, workers, disk and MLflow."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow_databases import free_port
from mlflow_server import server

from lkm_tune.tracking.outbox import OUTBOX, Outbox

from .tiny_study import (
    GAP,
    check_whole,
    lay_out,
    reported_epochs,
    runs_of,
    table,
    trained_epochs,
    wait_for_steps,
)

pytestmark = pytest.mark.survival

SEARCHED = 10


def kill(process):
    process.kill()
    process.wait()
    # The test does not read the pipe to its end: remaining Ray processes hold it for a moment.
    process.stdout.close()


def outbox_of(folder):
    return folder / "lkm-runs/studies/tiny" / OUTBOX


def noted_epochs(folder):
    """The number of different epochs that the driver has received."""
    lines = outbox_of(folder).read_text().splitlines() if outbox_of(folder).exists() else []
    epochs = set()
    for line in lines:
        with suppress(ValueError):  # torn by a kill
            record = json.loads(line)
            epochs |= {(record["run"], record["epoch"])} if record["kind"] == "epoch" else set()
    return len(epochs)


def start_and_kill(start, folder, epochs, more):
    """Kills a run of the study `more` seconds after it has trained `epochs` epochs.

    Returns:
        Whether the run was still alive.
    """
    before = outbox_of(folder).stat().st_size if outbox_of(folder).exists() else 0
    process = start("run", "tiny.yaml", cwd=folder)
    while process.poll() is None and (
        noted_epochs(folder) < epochs or outbox_of(folder).stat().st_size == before
    ):
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        process.wait(more)
        assert process.returncode == 0, process.communicate()[0]
        return False
    kill(process)
    return True


MANY = pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])


@pytest.mark.parametrize("kills", [10, MANY])
def test_a_driver_killed_again_and_again(start, lkm_tune, whole, folder, kills):
    """Kills at any moment of search and curve, and some during the end and the report."""
    draw, total, late = random.Random(kills), reported_epochs(whole), kills // 5
    moments = sorted(draw.uniform(0, total) for _ in range(kills - late))
    for epochs in moments:
        assert start_and_kill(start, folder, epochs, draw.uniform(0, 0.5))
    reporting = [start_and_kill(start, folder, total, draw.uniform(0, 2)) for _ in range(late)]
    assert any(reporting)
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check_whole(folder, whole)
    wasted = trained_epochs(folder) - reported_epochs(whole)
    # A kill costs at most the epochs since the last rung.
    assert 0 <= wasted <= kills * GAP


def judged(folder):
    """The planned points of a study's looks, its runs, and the verdict on each pair of cells."""
    study = folder / "lkm-runs/studies/looks"
    runs = pd.read_csv(study / "report/trials.csv").drop(columns=["seconds"])
    regret = pd.read_csv(study / "report/regret.csv")
    looks = json.loads((study / "looks.json").read_text())
    return looks, runs.sort_values(["task", "gamma", "seed"], ignore_index=True), regret


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_looks_of_a_driver_killed_again_and_again(start, lkm_tune, folder, tmp_path_factory):
    """Ten kills at any moments between the looks change no planned run and no verdict."""
    undisturbed = lay_out(tmp_path_factory.mktemp("undisturbed"))
    lkm_tune("run", "looks.yaml", cwd=undisturbed)
    total, draw = trained_epochs(undisturbed), random.Random(10)
    for epochs in sorted(draw.uniform(0, total) for _ in range(10)):
        process = start("run", "looks.yaml", cwd=folder)
        while process.poll() is None and trained_epochs(folder) < epochs:
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
        kill(process)
    lkm_tune("run", "looks.yaml", cwd=folder)
    looks, runs, regret = judged(folder)
    assert len(looks) >= 2
    same_looks, same_runs, same_regret = judged(undisturbed)
    assert looks == same_looks
    pd.testing.assert_frame_equal(runs, same_runs)
    pd.testing.assert_frame_equal(regret, same_regret)


@pytest.mark.slow
def test_a_torn_line_in_the_ledger_and_killed_workers(start, whole, folder):
    """Trial processes are killed within an epoch; their trials continue elsewhere."""
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
    assert trained_epochs(folder) - reported_epochs(whole) <= (kills + 1) * GAP


def test_a_second_driver_is_refused_and_told_of_the_first(start, lkm_tune, invoke, folder):
    where = ("--storage", folder / "lkm-runs")
    first = start("run", "tiny.yaml", cwd=folder)
    wait_for_steps(folder, 1)
    (folder / "hold").touch()
    output = lkm_tune("run", "tiny.yaml", cwd=folder, code=1)
    assert f"already runs in process {first.pid} on " in output
    (before,) = json.loads(invoke("status", "--json", *where))
    kill(first)
    (after,) = json.loads(invoke("status", "--json", *where))
    assert before["driver"].startswith(f"process {first.pid} on ")
    assert after["driver"] is None
    assert before["cells"][0]["search"]["running"] == 1
    assert after["cells"][0]["search"]["interrupted"] == 1
    assert "not running" in invoke("status", *where)


def test_a_limit_ends_a_study_that_a_higher_one_continues(lkm_tune, invoke, whole, folder):
    where = ("--storage", folder / "lkm-runs")
    few = ("--set", f"search.trial_limit={SEARCHED - 1}")
    output = lkm_tune("run", "tiny.yaml", *few, cwd=folder)
    assert "no report, since no curve has a run" in output
    limit = f"search.trial_limit: {SEARCHED - 1} of {SEARCHED - 1} trials have begun"
    assert f"not finished, at its limit: {limit}" in invoke("status", *where)
    assert f"a limit ended the study: {limit}" in output
    more = ("--set", f"search.trial_limit={SEARCHED + 2}", "--set", "search.time_limit=9")
    lkm_tune("run", "tiny.yaml", *more, cwd=folder)
    page = (folder / "lkm-runs/studies/tiny/report/report.html").read_text()
    assert f"search.trial_limit: {SEARCHED + 2} of {SEARCHED + 2} trials have begun" in page
    (status,) = json.loads(invoke("status", "--json", *where))
    assert status["left"]["trials"] == 0
    assert status["limit"].startswith("search.trial_limit: ")
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
    """A trial that fits on a node alone trains there; a trial that fits nowhere is infeasible."""
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
    assert "training diverges, which bounds the range (at γ = 1e+300)" in output
    diverged = [run for run, _ in runs_of(folder).values() if run.data.params["gamma"] == "1e+300"]
    assert {run.info.status for run in diverged} == {"FINISHED"}
    assert all(len(history) <= 2 for run, history in runs_of(folder).values() if run in diverged)


def test_mlflow_down_for_good(lkm_tune, whole, folder):
    """The study ends with its report; MLflow gets the missing records when it is back."""
    nobody = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    output = lkm_tune("run", "tiny.yaml", cwd=folder, **nobody)
    assert "MLflow lacks" in output
    assert "the same command delivers them" in output
    pd.testing.assert_frame_equal(table(folder), table(whole))
    assert (folder / "lkm-runs/studies/tiny/report/report.html").exists()
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check_whole(folder, whole)


def undelivered(folder, uri):
    outbox = Outbox(outbox_of(folder), uri)
    try:
        return outbox.pending()
    finally:
        outbox.close()


def test_an_mlflow_server_that_dies_and_comes_back(databases, start, whole, folder):
    """Training goes on, and MLflow finally has the records of an undisturbed study."""
    port, database = free_port(), databases.empty()
    uri = f"http://127.0.0.1:{port}"
    with server(database, port, folder):
        process = start("run", "tiny.yaml", cwd=folder, MLFLOW_TRACKING_URI=uri)
        wait_for_steps(folder, 60)
    # Messages in transit at the death of the server may have arrived.
    wait_for_steps(folder, 120)
    assert process.poll() is None
    assert undelivered(folder, uri) > 60
    hold = folder / "hold"
    hold.touch()
    while "MLflow cannot be written" not in (line := process.stdout.readline()):
        assert line, "the study has ended without a message on MLflow"
    with server(database, port, folder):
        hold.unlink()
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert "MLflow can be written again" in output
        assert undelivered(folder, uri) == 0
        check_whole(folder, whole, uri)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("tiny").experiment_id
        for kind in ("cell", "report"):
            (run,) = client.search_runs([experiment], f"tags.`lkm.kind` = '{kind}'")
            assert run.info.status == "FINISHED"
    assert list((folder / "artifacts").rglob("report.html"))
    assert trained_epochs(folder) == reported_epochs(whole)


def test_a_full_disk_and_one_that_is_read_only(small_disk, environment, whole, folder):
    """The error names the folder, no trial has failed, and with room the study continues."""
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
    assert trained_epochs(folder) - reported_epochs(whole) <= 2 * GAP
