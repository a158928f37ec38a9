"""A small study, and a driver that replays it into a recorder."""

import math
from types import SimpleNamespace

import pytest
from mlflow_databases import open_databases

from lkm_tune.ledger.facts import StudyFacts, TaskFacts
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, CurvePlan, DataPlan, Study, TrainingPlan, TrialSpec

PAMNET = Cell("pamnet", "qm9/homo", 300)
MXMNET = Cell("mxmnet", "qm9/homo", 300)


FACTS = StudyFacts(
    {"pamnet": {"hidden": 128, "cutoff_global": 5.0}}, {"qm9/homo": TaskFacts("meV")}
)


def make_study():
    return Study(
        name="small",
        models={"pamnet": {"hidden": 16}, "mxmnet": {}},
        tasks=("qm9/homo",),
        data=DataPlan(source="sample", n_train=300, n_val=100),
        curve=CurvePlan(gammas=(0.0, 0.01), seeds=(1, 2)),
        training=TrainingPlan(epochs=3),
    )


def make_trial(cell=PAMNET, phase="search", number=0, gamma=0.5, depth=4, seed=0, epochs=3):
    settings = {"gamma": gamma, "depth": depth, "lr": 1e-3}
    return TrialSpec("small", cell, phase, number, settings, seed, epochs)


def make_result(epoch, error=None):
    return {
        "epoch": epoch,
        "losses": {"total": 1.5 / epoch, "prediction": 1.0 / epoch, "kd": 0.5 / epoch},
        "kd_ratio": 0.25,
        "val_error": 100.0 / epoch if error is None else error,
        "lr": 1e-3,
        "seconds": 0.1,
    }


def make_summary(outcome="complete", **changes):
    summary = {
        "outcome": outcome,
        "best_epoch": 3,
        "val_error": 33.0,
        "test_error": 34.0,
        "val_mean_error": 400.0,
        "test_mean_error": 410.0,
        "n_parameters": 1234,
        "seconds": 9.0,
        "device": "a GPU",
        "reason": None,
        "kd_ratio": 0.25,
    }
    return summary | changes


def make_record(trial, state="running", summary=None, reason=""):
    return TrialRecord(trial, state, summary=summary or {}, reason=reason)


def play_trial(recorder, trial, outcome="complete", epochs=3):
    """One trial from its start to its end."""
    recorder.began(make_record(trial))
    for epoch in range(1, epochs + 1):
        recorder.reported(trial, make_result(epoch))
    if outcome == "interrupted":
        recorder.interrupted(trial)
    else:
        summary = make_summary() if outcome == "complete" else {"val_error": 100.0 / epochs}
        recorder.ended(make_record(trial, outcome, summary))


TRIALS = {
    "complete": make_trial(number=0),
    "stopped": make_trial(number=1, gamma=2.0),
    "diverged": make_trial(number=2, gamma=100.0),
    "failed": make_trial(number=3, gamma=0.1),
    "control": make_trial(phase="control", number=0, gamma=0.0),
    "other cell": make_trial(cell=MXMNET, number=0),
    "point": make_trial(phase="curve", number=1, gamma=0.01, seed=2),
    "old point": make_trial(phase="curve", number=0, gamma=0.01, depth=2, seed=2),
}


def play_study(recorder, report):
    """All ends of trials, a curve with changed settings, and a report."""
    play_trial(recorder, TRIALS["complete"])
    play_trial(recorder, TRIALS["stopped"], "stopped", epochs=2)
    diverged = TRIALS["diverged"]
    recorder.began(make_record(diverged))
    recorder.reported(diverged, make_result(1, error=90.0))
    recorder.reported(diverged, make_result(2, error=math.nan))
    told = make_summary("diverged", test_error=None)
    recorder.ended(make_record(diverged, "diverged", told, "loss is NaN"))
    recorder.ended(make_record(TRIALS["failed"], "failed", reason="ValueError: no"))
    play_trial(recorder, TRIALS["control"])
    play_trial(recorder, TRIALS["other cell"])
    play_trial(recorder, TRIALS["old point"])
    recorder.curve_settings(PAMNET, TRIALS["point"].settings, "curve")
    play_trial(recorder, TRIALS["point"])
    page = report.parent / "pamnet-page"
    page.mkdir(exist_ok=True)
    (page / "curve.html").write_text("<p>γ</p>")
    recorder.log_curve(PAMNET, page, "No γ is best.")
    recorder.finish_cell(PAMNET, {"best/val_error": 33.0})
    report.mkdir(exist_ok=True)
    (report / "report.html").write_text("<p>γ</p>")
    recorder.log_report(report)


@pytest.fixture(scope="session")
def play():
    """The helpers above as a fixture: in importlib mode, tests cannot import other test files."""
    return SimpleNamespace(
        PAMNET=PAMNET,
        MXMNET=MXMNET,
        TRIALS=TRIALS,
        make_study=make_study,
        make_trial=make_trial,
        make_result=make_result,
        make_summary=make_summary,
        FACTS=FACTS,
        record=make_record,
        trial=play_trial,
        study=play_study,
    )


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def databases(request, tmp_path_factory):
    """Creates databases for MLflow; tests with this fixture run on both kinds."""
    with open_databases(request.param, tmp_path_factory.mktemp("mlflow")) as databases:
        yield databases


@pytest.fixture
def neighbours(tmp_path, databases):
    """Two storage folders with one MLflow."""
    uri = databases.empty()
    return [
        SimpleNamespace(
            root=root, uri=uri, folder=root / "studies" / "small", artifacts=root / "artifacts"
        )
        for root in (tmp_path / "mine", tmp_path / "theirs")
    ]


@pytest.fixture
def place(tmp_path, databases):
    """A storage folder with a separate MLflow."""
    return SimpleNamespace(
        root=tmp_path,
        databases=databases,
        uri=databases.empty(),
        folder=tmp_path / "studies" / "small",
        artifacts=tmp_path / "artifacts",
    )
