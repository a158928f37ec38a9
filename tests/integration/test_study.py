"""Studies from their file to the answer: undisturbed, interrupted, extended and refused."""

import gzip
import json
import shutil
import signal
import socket
import time

import pandas as pd
import pytest
from mlflow import MlflowClient

from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.importer import import_runs

from .conftest import TRIALS

# Columns that depend on the speed of the machine.
NOT_THE_STUDYS = ["seconds"]


def table(storage):
    runs = pd.read_csv(storage / "studies/small/report/trials.csv")
    return runs.drop(columns=NOT_THE_STUDYS)


def runs_by_kind(storage):
    client = MlflowClient(tracking_uri(storage))
    experiment = client.get_experiment_by_name("small")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    kinds = {}
    for run in runs:
        kinds.setdefault(run.data.tags["lkm.kind"], []).append(run)
    return kinds


def test_a_study_ends_with_its_answer(finished):
    storage, output = finished
    report = storage / "studies/small/report"
    assert {path.name for path in report.iterdir()} == {
        "report.html", "curves.svg", "transfer.json", "curves.csv", "regret.csv", "trials.csv",
    }  # fmt: skip
    found = json.loads((report / "transfer.json").read_text())
    assert [(a["model"], a["task"]) for a in found["answers"]] == [
        ("mxmnet", "qm9/alpha"),
        ("pamnet", "qm9/alpha"),
    ]
    for name, decision, *_ in found["summary"]["by_margin"]["0.02"]["lines"]:
        assert any(name in line and decision in line for line in output.splitlines())
    assert "mlflow ui" in output
    assert "lkm-tune best-gamma" in output


@pytest.mark.parametrize("way", ["mlflow", "table"])
def test_who_has_only_the_runs_gets_the_same_report(finished, lkm_tune, tmp_path, way):
    storage, _ = finished
    here = storage / "studies/small/report"
    if way == "mlflow":
        source, there = ("--from-mlflow", tracking_uri(storage)), tmp_path / "from-mlflow/small"
    else:
        table = tmp_path / "small.csv.gz"
        table.write_bytes(gzip.compress((here / "trials.csv").read_bytes()))
        source, there = ("--from", table), tmp_path / "from-table/small"
    output = lkm_tune("report", "small", *source, "--storage", tmp_path)
    assert str(there / "report.html") in output
    for name in ("trials.csv", "curves.csv", "regret.csv"):
        assert (there / name).read_text() == (here / name).read_text()
    reports = [json.loads((folder / "transfer.json").read_text()) for folder in (there, here)]
    for told in reports:
        del told["provenance"], told["importance"]
    assert reports[0] == reports[1]
    refused = lkm_tune("report", "other", *source, "--storage", tmp_path, code=1)
    assert "no run of other" in refused and "studies with one: small" in refused


def test_mlflow_has_every_trial_under_its_cell(finished):
    storage, _ = finished
    kinds = runs_by_kind(storage)
    assert {kind: len(runs) for kind, runs in kinds.items()} == {
        "cell": 2, "trial": TRIALS, "report": 1,
    }  # fmt: skip
    parents = {run.info.run_id for run in kinds["cell"]}
    assert {run.data.tags["mlflow.parentRunId"] for run in kinds["trial"]} == parents
    status = {"complete": "FINISHED", "stopped": "KILLED"}
    for run in kinds["trial"]:
        assert run.info.status == status[run.data.tags["lkm.outcome"]]
        assert run.data.metrics["train/kd"] > 0
    for run in kinds["cell"] + kinds["report"]:
        assert run.info.status == "FINISHED"
    client = MlflowClient(tracking_uri(storage))
    complete = next(r for r in kinds["trial"] if r.data.tags["lkm.outcome"] == "complete")
    history = client.get_metric_history(complete.info.run_id, "val/error")
    assert [metric.step for metric in history] == [1, 2, 3]
    assert complete.data.metrics["system/system_memory_usage_megabytes"] > 0

    def files(run):
        return {artifact.path for artifact in client.list_artifacts(run.info.run_id)}

    assert "report.html" in files(kinds["report"][0])
    for run in kinds["cell"]:
        assert {"curve.html", "best_model"} <= files(run)
        assert f"{run.data.tags['lkm.model']} on qm9/alpha" in run.data.tags["mlflow.note.content"]
        assert run.data.metrics["best/val_error"] > 0


def test_planned_counts_and_a_fair_control(finished):
    runs = table(finished[0])
    counts = runs.groupby(["model", "phase"]).size().to_dict()
    for model in ("pamnet", "mxmnet"):
        assert counts[model, "search"] == counts[model, "control"] == 3
        assert counts[model, "curve"] == 6
        assert counts[model, "control_curve"] == 2
    assert (runs.loc[runs["phase"].str.startswith("control"), "gamma"] == 0).all()
    curve = runs[runs["phase"] == "curve"]
    assert not curve.duplicated(["model", "gamma", "seed"]).any()
    assert curve.groupby("model")[["depth", "lr"]].nunique().eq(1).all(axis=None)


def test_finished_trials_keep_a_model_and_nothing_else(finished):
    storage, _ = finished
    kept = [p for p in (storage / "studies/small/trials").rglob("*") if p.is_file()]
    complete = (table(storage)["status"] == "complete").sum()
    assert {path.name for path in kept} == {"model.safetensors"}
    assert len(kept) == complete


def interrupted(start, study_file, storage, end, **environment):
    """Sends a signal to a study whose curves have begun; returns its exit code and output."""
    process = start("run", study_file, "--storage", storage, **environment)
    ledger = storage / "studies/small/ledger.jsonl"
    while not (ledger.exists() and ledger.read_text().count('"state"') >= TRIALS // 2):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(end)
    output, _ = process.communicate(timeout=15)
    return process.returncode, output


def test_ctrl_c_stops_a_study_within_15_seconds(start, lkm_tune, finished, study_file, tmp_path):
    """The study stops even if its MLflow accepts requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        uri = f"http://127.0.0.1:{mute.getsockname()[1]}"
        code, output = interrupted(
            start, study_file, tmp_path, signal.SIGINT, MLFLOW_TRACKING_URI=uri
        )
    assert code == 130
    assert "MLflow lacks" in output
    assert "the same command continues" in output
    goes_on(lkm_tune, finished, study_file, tmp_path)


@pytest.mark.slow
def test_a_killed_study_continues_to_the_same_tables(
    finished, start, lkm_tune, study_file, tmp_path
):
    interrupted(start, study_file, tmp_path, signal.SIGKILL)
    goes_on(lkm_tune, finished, study_file, tmp_path)


def goes_on(lkm_tune, finished, study_file, tmp_path):
    """The same command ends with the tables and the runs of an undisturbed study."""
    lkm_tune("run", study_file, "--storage", tmp_path)
    pd.testing.assert_frame_equal(table(tmp_path), table(finished[0]))
    kinds = runs_by_kind(tmp_path)
    assert len(kinds["trial"]) == len({r.data.tags["lkm.trial"] for r in kinds["trial"]}) == TRIALS
    assert {run.info.status for run in kinds["trial"]} <= {"FINISHED", "KILLED"}


def test_a_finished_study_is_extended_and_not_repeated(finished, lkm_tune, study_file, tmp_path):
    storage = tmp_path / "copy"
    shutil.copytree(finished[0], storage)
    before = table(storage)
    again = lkm_tune("run", study_file, "--storage", storage, "--set", "curve.seeds=[1,2,3]")
    assert "extended: curve.seeds: 1 seed more (3)" in again
    after = table(storage)
    assert len(after) == len(before) + 2 * (3 + 1)
    old = after[after["trial"].isin(before["trial"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, before)
    new = after[~after["trial"].isin(before["trial"])]
    assert set(new["seed"]) == {3}


def test_a_change_that_would_mix_results_is_refused(finished, lkm_tune, study_file):
    change = ("--set", "training.batch_size=8", "--set", "curve.seeds=[1]")
    output = lkm_tune("run", study_file, "--storage", finished[0], *change, code=1)
    assert "training.batch_size: was 16, is 8 now" in output
    assert "curve.seeds: 1 seed removed (2)" in output
    assert "--fresh" in output


def test_fresh_puts_earlier_results_aside(finished, lkm_tune, study_file, tmp_path):
    storage = tmp_path / "copy"
    shutil.copytree(finished[0], storage)
    fewer = ("--set", "search.trials=1", "--set", "search.control=false",
             "--set", "tasks=[qm9/mu]", "--set", "curve.seeds=[1]")  # fmt: skip
    output = lkm_tune("run", study_file, "--storage", storage, "--fresh", *fewer)
    assert "earlier results are kept in" in output
    assert len(list(storage.glob("studies/small/before/*/ledger.jsonl"))) == 1
    runs = import_runs(tracking_uri(storage), ["small"])
    assert set(runs["task"]) == {"qm9/mu"}
    assert len(runs) == 2 * (1 + 3)


def test_a_study_with_failures_goes_on_and_names_them(lkm_tune, study_file, tmp_path):
    """A file in place of the folder of one cell's trials breaks only these trials."""
    in_the_way = tmp_path / "studies/small/trials/pamnet-qm9_alpha-48"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    fewer = ("--set", "search.trials=1", "--set", "search.control=false")
    output = lkm_tune("run", study_file, "--storage", tmp_path, *fewer, code=2)
    assert "failed: pamnet-qm9_alpha-48/search/0000-" in output
    assert "Error: " in output.partition("failed: ")[2]
    assert "pamnet on qm9/alpha (search) has no complete trial" in output
    found = json.loads((tmp_path / "studies/small/report/transfer.json").read_text())
    assert [answer["model"] for answer in found["answers"]] == ["mxmnet"]
    assert found["summary"]["by_margin"]["0.02"]["lines"][0][1] in output
    runs = import_runs(tracking_uri(tmp_path), ["small"])
    assert runs[runs["model"] == "pamnet"]["status"].tolist() == ["failed"]
    assert (runs[runs["model"] == "mxmnet"]["status"] == "complete").sum() == 1 + 6
