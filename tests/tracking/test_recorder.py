"""The recorder against a real MLflow in SQLite."""

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from lkm_tune.graphs import batch_from_arrays
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan, digest, study_from_dict
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.importer import import_runs
from lkm_tune.training import TrainedModel, TrainingRun, save_model


@pytest.fixture
def record(place, play):
    """Opens a recorder on the folder, like each new driver."""

    def open_recorder(uri=place.uri):
        study = play.make_study()
        return StudyRecorder(study, place.folder, uri, place.artifacts, 0.01, play.FACTS)

    return open_recorder


def runs_of(uri):
    """Key -> run with the history of its metrics: [(step, value), ...]."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("small")
    found = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        key = run.data.tags.get("lkm.trial", run.info.run_name)
        assert key not in found, f"{key} is there twice"
        history = {
            name: sorted(
                (m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)
            )
            for name in run.data.metrics
        }
        found[key] = (run, history)
    return found


def snapshot(uri):
    """The state that a second delivery must not change."""
    return {
        key: (run.info.status, run.info.end_time, run.data.tags, run.data.params, repr(history))
        for key, (run, history) in runs_of(uri).items()
    }


def deliver(recorder):
    """Closes the recorder after complete delivery."""
    assert recorder.close() == 0


def test_a_study_in_mlflow(place, play, record):
    recorder = record()
    play.study(recorder, place.root / "report")
    deliver(recorder)
    runs = runs_of(place.uri)
    cell = "pamnet on qm9/homo"
    expected = {
        cell: ("FINISHED", "complete"),
        "mxmnet on qm9/homo": ("RUNNING", "running"),
        "report": ("FINISHED", "complete"),
        play.TRIALS["complete"].key: ("FINISHED", "complete"),
        play.TRIALS["stopped"].key: ("KILLED", "stopped"),
        play.TRIALS["diverged"].key: ("FINISHED", "diverged"),
        play.TRIALS["failed"].key: ("FAILED", "failed"),
        play.TRIALS["control"].key: ("FINISHED", "complete"),
        play.TRIALS["other cell"].key: ("FINISHED", "complete"),
        play.TRIALS["point"].key: ("FINISHED", "complete"),
        play.TRIALS["old point"].key: ("FINISHED", "complete"),
    }
    assert {
        k: (r.info.status, r.data.tags["lkm.outcome"]) for k, (r, _) in runs.items()
    } == expected
    for trial in play.TRIALS.values():
        parent = runs[str(trial.cell)][0]
        assert runs[trial.key][0].data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert "mlflow.parentRunId" not in runs[cell][0].data.tags


def test_what_a_run_holds(place, play, record):
    recorder = record()
    play.study(recorder, place.root / "report")
    deliver(recorder)
    runs = runs_of(place.uri)

    run, history = runs[play.TRIALS["point"].key]
    assert run.info.run_name == "curve γ=0.01 seed=2"
    assert runs[play.TRIALS["stopped"].key][0].info.run_name == "search 0001 γ=2"
    facts = {"gamma": "0.01", "depth": "4", "lr": "0.001", "hidden": "16", "seed": "2"}
    facts |= {"source": "sample", "n_train": "300", "batch_size": "32", "distance": "l2"}
    facts |= {"phase": "curve", "epochs": "3", "model": "pamnet", "task": "qm9/homo"}
    facts |= {"log10_gamma": "-2.0"}
    assert facts.items() <= run.data.params.items()
    tags = {"lkm.kind": "trial", "lkm.study": "small", "lkm.cell": "pamnet-qm9_homo-300"}
    tags |= {"lkm.unit": "meV", "lkm.phase": "curve", "lkm.reason": ""}
    assert tags.items() <= run.data.tags.items()
    assert "mlflow" in run.data.tags["lkm.versions"]
    assert history["train/prediction"] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert history["val/error"] == [(1, 100.0), (2, 50.0), (3, 100 / 3)]
    assert history["final/test_error"] == [(0, 34.0)]
    assert history["final/n_parameters"] == [(0, 1234.0)]

    run, history = runs[play.TRIALS["diverged"].key]
    assert run.data.tags["lkm.reason"] == "loss is NaN"
    assert history["val/best_error"] == [(1, 90.0), (2, 90.0)]
    assert math.isnan(history["val/error"][1][1])
    assert "final/test_error" not in history

    client = MlflowClient(place.uri)
    files = {file.path for file in client.list_artifacts(runs["report"][0].info.run_id)}
    assert files == {"report.html", "study.json"}
    assert (place.artifacts / "small").is_dir()
    assert "log10_gamma" not in runs[play.TRIALS["control"].key][0].data.params


def test_system_metrics_stand_beside_an_epoch(place, play, record):
    recorder, trial = record(), play.make_trial()
    recorder.began(play.record(trial))
    recorder.reported(trial, play.make_result(1) | {"system": {"cpu_utilization_percentage": 40.0}})
    recorder.reported(trial, play.make_result(2))
    deliver(recorder)
    _, history = runs_of(place.uri)[trial.key]
    assert history["system/cpu_utilization_percentage"] == [(1, 40.0)]


def test_pages_say_in_words_what_they_show(place, play, record):
    recorder = record()
    play.study(recorder, place.root / "report")
    deliver(recorder)
    client, runs = MlflowClient(place.uri), runs_of(place.uri)
    experiment = client.get_experiment_by_name("small")
    assert "**small**" in experiment.tags["mlflow.note.content"]
    assert "`report.html`" in runs["report"][0].data.tags["mlflow.note.content"]
    unfinished, finished = (runs[f"{model} on qm9/homo"][0] for model in ("mxmnet", "pamnet"))
    assert "has not been analysed yet" in unfinished.data.tags["mlflow.note.content"]
    assert finished.data.tags["mlflow.note.content"].startswith("No γ is best.")
    assert finished.data.metrics == {"best/val_error": 33.0}
    files = {file.path for file in client.list_artifacts(finished.info.run_id)}
    assert {"curve.html", "study.json"} <= files


def test_a_cell_tells_its_data_and_its_study(place, play):
    facts = replace(play.FACTS, data={"qm9/homo": "0123456789abcdef"})
    uri, study = place.uri, play.make_study()
    with StudyRecorder(study, place.folder, uri, place.artifacts, 0.01, facts) as recorder:
        play.trial(recorder, play.make_trial())
    run, _ = runs_of(uri)["pamnet on qm9/homo"]
    (given,) = MlflowClient(uri).get_run(run.info.run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("qm9/homo", "0123456789abcdef")
    assert "sample" in given.dataset.source
    assert run.data.tags["lkm.study_digest"] == digest(study)
    (file,) = (place.artifacts / "small").rglob("study.json")
    assert study_from_dict(json.loads(file.read_text())) == study


def test_the_best_model_of_a_cell_loads_and_predicts(place, play, record, tmp_path):
    """MLflow alone can load the model, without pickles."""
    file = tmp_path / "model.safetensors"
    training = TrainingPlan(epochs=1, warmup_epochs=0.0)
    data = DataPlan("sample", 16, 8, 8)
    run = TrainingRun(RunConfig("pamnet", "qm9/homo", {"hidden": 8, "depth": 2}, data, training))
    list(run.epochs())
    save_model(run, file)
    recorder = record()
    recorder.log_model(play.make_trial(), file, "atoms", "qm9/homo [meV]")
    recorder.log_model(play.make_trial(), file, "atoms", "qm9/homo [meV]")
    deliver(recorder)
    cell, _ = runs_of(place.uri)["pamnet on qm9/homo"]
    assert cell.data.tags["lkm.best_trial"] == play.make_trial().key
    (folder,) = (place.artifacts / "small").rglob("best_model")
    assert not list(folder.rglob("*.pkl"))
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert loaded.metadata.signature.outputs.input_names() == ["qm9/homo [meV]"]
    z, pos = [8, 1, 1], [[0.0, 0.0, 0.117], [0.0, 0.757, -0.471], [0.0, -0.757, -0.471]]
    predicted = loaded.predict(pd.DataFrame({"z": [z, z], "pos": [pos, pos]}))
    expected = TrainedModel.load(file).predict(
        batch_from_arrays(np.array(z), np.array(pos, np.float32), np.zeros(len(z), int))
    )[:, 0]
    assert predicted == pytest.approx([expected[0]] * 2)


def test_delivering_everything_again_changes_nothing(place, play, record):
    recorder = record()
    play.study(recorder, place.root / "report")
    deliver(recorder)
    once = snapshot(place.uri)
    (place.folder / "outbox.delivered.json").unlink()
    again = record()
    assert again.flush() == 0
    deliver(again)
    assert snapshot(place.uri) == once


def test_a_trial_that_is_run_again_is_one_run(place, play, record):
    trial = play.make_trial()
    first = record()
    play.trial(first, trial, "interrupted", epochs=2)
    deliver(first)
    assert runs_of(place.uri)[trial.key][0].info.status == "KILLED"

    second = record()
    second.began(play.record(trial))
    assert second.flush() == 0
    run, _ = runs_of(place.uri)[trial.key]
    assert (run.info.status, run.data.tags["lkm.outcome"]) == ("RUNNING", "running")
    # The checkpoint was older than the last epoch that had been recorded.
    second.reported(trial, play.make_result(2, error=49.0))
    second.reported(trial, play.make_result(3))
    second.ended(play.record(trial, "complete", play.make_summary()))
    deliver(second)
    run, history = runs_of(place.uri)[trial.key]
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history["val/error"]] == [1, 2, 3]
    assert history["val/best_error"][-1] == (3, 100 / 3)


def test_a_trial_that_never_began_has_nothing_to_interrupt(place, play, record, caplog):
    recorder = record()
    began, handed_out = play.make_trial(), play.make_trial(number=8)
    play.trial(recorder, began, "interrupted", epochs=1)
    recorder.interrupted(handed_out)
    deliver(recorder)
    runs = runs_of(place.uri)
    assert began.key in runs and handed_out.key not in runs
    assert not [r for r in caplog.records if r.name.startswith("lkm_tune")]


def test_an_mlflow_that_lost_everything_gets_everything(place, play, record):
    recorder = record()
    play.trial(recorder, play.make_trial())
    deliver(recorder)
    first = snapshot(place.uri)
    other = place.databases.empty()
    deliver(record(other))
    moved = snapshot(other)
    assert moved.keys() == first.keys()
    key = play.make_trial().key
    assert moved[key][3:] == first[key][3:]


def test_records_are_kept_while_the_server_is_down(place, play, record, caplog):
    # Nothing listens on port 9 of this machine.
    down = record("http://127.0.0.1:9")
    started = time.monotonic()
    play.trial(down, play.make_trial())
    assert time.monotonic() - started < 1.0
    undelivered = down.close(timeout=20)
    assert undelivered == 6
    assert [r.levelname for r in caplog.records if r.name.startswith("lkm_tune")] == ["WARNING"]
    deliver(record())
    run, history = runs_of(place.uri)[play.make_trial().key]
    assert run.info.status == "FINISHED"
    assert len(history["val/error"]) == 3


def test_what_mlflow_refuses_is_kept_and_holds_nothing_up(place, play, record):
    recorder = record()
    orphan, trial = play.make_trial(number=1), play.make_trial()
    recorder.reported(orphan, play.make_result(1))
    recorder.log_report(place.root / "nowhere")
    play.trial(recorder, trial)
    deliver(recorder)
    assert runs_of(place.uri)[trial.key][0].info.status == "FINISHED"
    rejected = (place.folder / "outbox.rejected.jsonl").read_text()
    assert f"the run {orphan.key} never started" in rejected
    assert "there is no folder" in rejected


def test_an_end_that_is_told_again_records_only_what_is_missing(place, play, record):
    known, lost, resumed = (play.make_trial(number=number) for number in range(3))
    first = record()
    play.trial(first, known)
    # A kill before the record of this end.
    first.began(play.record(lost))
    first.reported(lost, play.make_result(1))
    play.trial(first, resumed, "interrupted", epochs=1)
    deliver(first)
    again = record()
    written = (place.folder / "outbox.jsonl").stat().st_size
    again.ended(play.record(known, "complete", play.make_summary()))
    assert (place.folder / "outbox.jsonl").stat().st_size == written
    again.ended(play.record(lost, "stopped"))
    again.ended(play.record(resumed, "failed", reason="no"))
    deliver(again)
    runs = runs_of(place.uri)
    outcomes = [runs[t.key][0].data.tags["lkm.outcome"] for t in (known, lost, resumed)]
    assert outcomes == ["complete", "stopped", "failed"]
    assert runs[lost.key][0].info.status == "KILLED"
    assert runs[lost.key][1]["val/error"] == [(1, 100.0)]


DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import conftest as play
from lkm_tune.tracking import StudyRecorder
root = Path(sys.argv[2])
study = play.make_study()
uri = sys.argv[3]
with StudyRecorder(study, root / "studies/small", uri, interval=0.01) as recorder:
    for number in range(30):
        play.play_trial(recorder, play.make_trial(number=number, epochs=10), epochs=10)
    print("recorded", flush=True)
"""


@pytest.mark.parametrize("kills", [(5,), pytest.param((2, 6, 12, 20), marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_delivery(place, play, record, kills):
    command = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(place.root)]
    command.append(place.uri)
    for count in kills:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
            try:
                assert driver.stdout.readline() == "recorded\n"
                wait_for_runs(place.uri, count)
            finally:
                driver.send_signal(signal.SIGKILL)
        assert count <= len(runs_of(place.uri)) < 31, "the kill was to come in the middle"
    deliver(record())
    runs = runs_of(place.uri)
    trials = [play.make_trial(number=number, epochs=10) for number in range(30)]
    assert set(runs) == {t.key for t in trials} | {"pamnet on qm9/homo"}
    for trial in trials:
        run, history = runs[trial.key]
        assert run.info.status == "FINISHED"
        assert history["val/error"] == [(n, 100.0 / n) for n in range(1, 11)]
        assert history["final/val_error"] == [(0, 33.0)]
        assert run.data.params["batch_size"] == "32"
    assert set(import_runs(place.uri)["status"]) == {"complete"}


def wait_for_runs(uri, count):
    """Waits for a number of runs, in the middle of the delivery."""
    client = MlflowClient(uri)
    for _ in range(600):
        experiment = client.get_experiment_by_name("small")
        if experiment and len(client.search_runs([experiment.experiment_id])) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{count} runs never came")


@pytest.mark.slow
def test_delivery_rate(place, play, record, capsys):
    recorder = record()
    started = time.monotonic()
    for number in range(100):
        play.trial(recorder, play.make_trial(number=number, epochs=20), epochs=20)
    appended = time.monotonic() - started
    deliver(recorder)
    whole = time.monotonic() - started
    with capsys.disabled():
        sys.stdout.write(
            f"\n100 trials x 20 epochs: recorded in {appended:.2f} s, in MLflow in {whole:.2f} s\n"
        )
    assert (import_runs(place.uri)["status"] == "complete").sum() == 100
