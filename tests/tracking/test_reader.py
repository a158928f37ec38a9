"""The table of runs."""

import math

import pandas as pd
import pytest
from mlflow import MlflowClient

from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.experiments import retire_experiment
from lkm_tune.tracking.kept import read_kept_runs
from lkm_tune.tracking.reader import read_runs
from lkm_tune.tracking.table import COLUMNS


@pytest.fixture(scope="module")
def played(databases, play, tmp_path_factory):
    """A database with the small study in it, and the study's folder."""
    root, uri = tmp_path_factory.mktemp("played"), databases.empty()
    with StudyRecorder(play.make_study(), root, uri, root, 0.01) as recorder:
        play.study(recorder, root / "report")
    return uri, root


@pytest.fixture
def recorded(place, played):
    """A storage folder with the small study in it."""
    place.uri = place.databases.copy(played[0])
    return place


def test_one_row_a_run(recorded, play):
    table = read_runs(recorded.uri).set_index("trial")
    status = {trial.key: name for name, trial in play.TRIALS.items()}
    assert table["status"].rename(status).to_dict() == {
        "complete": "complete",
        "stopped": "stopped",
        "diverged": "diverged",
        "failed": "failed",
        "control": "complete",
        "other cell": "complete",
        "point": "complete",
    }
    point = table.loc[play.TRIALS["point"].key]
    facts = {"study": "small", "model": "pamnet", "task": "qm9/homo", "phase": "curve"}
    facts |= {"depth": 4, "n_train": 300, "gamma": 0.01, "seed": 2, "lr": 1e-3, "epochs": 3}
    facts |= {"val_error": 33.0, "test_error": 34.0, "unit": "meV", "kd_ratio": 0.25}
    facts |= {"val_mean_error": 400.0, "test_mean_error": 410.0, "best_epoch": 3}
    facts |= {"n_parameters": 1234, "seconds": 9.0, "device": "a GPU"}
    facts["scale"] = (
        "distance=l2 reduction=mean teacher=live layers=default loss=l1 normalisation=standard"
    )
    assert point[list(facts)].to_dict() == facts


def test_the_folder_knows_what_mlflow_knows(recorded, played):
    """The records on disk give the table that MLflow gives: a report needs no server."""
    kept = read_kept_runs(played[1])
    told = read_runs(recorded.uri)
    assert set(kept.pop("run_id")) == {""}
    pd.testing.assert_frame_equal(kept, told.drop(columns="run_id"))


def test_a_folder_without_records_has_no_runs(tmp_path):
    assert read_kept_runs(tmp_path).empty


def test_a_trial_that_goes_on_counts_each_epoch_once(place, play):
    trial = play.make_trial()
    with StudyRecorder(play.make_study(), place.folder, place.uri, interval=0.01) as recorder:
        recorder.start(trial, play.config(recorder.study, trial))
        for epoch, error in ((1, 9.0), (2, 5.0), (3, 7.0), (1, 1.0)):
            recorder.epoch(trial, play.make_result(epoch, error=error))
        recorder.end(trial, "stopped")
    for table in (read_kept_runs(place.folder), read_runs(place.uri)):
        assert table["val_error"].to_list() == [5.0]


def test_errors_of_unfinished_trials(recorded, play):
    table = read_runs(recorded.uri).set_index("trial")
    assert table.loc[play.TRIALS["stopped"].key, "val_error"] == 50.0
    failed = table.loc[play.TRIALS["failed"].key]
    assert math.isnan(failed["val_error"])
    assert failed["reason"] == "ValueError: no"
    assert pd.isna(failed["best_epoch"])


def test_points_of_an_earlier_curve_are_superseded(recorded, play):
    old = play.TRIALS["old point"].key
    assert old not in set(read_runs(recorded.uri)["trial"])
    everything = read_runs(recorded.uri, superseded=True).set_index("trial")["status"]
    assert everything[old] == "superseded"
    assert everything[play.TRIALS["point"].key] == "complete"


def test_types_do_not_depend_on_content(recorded, tmp_path):
    full = read_runs(recorded.uri).dtypes[list(COLUMNS)]
    empty = read_runs(f"sqlite:///{tmp_path / 'nothing' / 'mlflow.db'}")
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.to_dict()
    assert not (tmp_path / "nothing").exists(), "reading makes no database"


def test_searched_settings_are_columns(place, play):
    trial = play.make_trial()
    trial.settings["cutoff_lower"] = 1.5
    with StudyRecorder(play.make_study(), place.folder, place.uri, interval=0.01) as recorder:
        play.trial(recorder, trial)
    assert read_runs(place.uri)["cutoff_lower"].to_list() == [1.5]


def test_other_peoples_runs_and_studies_are_left_out(recorded):
    client = MlflowClient(recorded.uri)
    client.create_run(client.create_experiment("foreign"))
    client.create_run(client.get_experiment_by_name("small").experiment_id)
    assert len(read_runs(recorded.uri)) == 7
    assert len(read_runs(recorded.uri, studies=["small"])) == 7
    assert len(read_runs(recorded.uri, studies=["large"])) == 0


def test_many_pages(recorded, monkeypatch):
    whole = read_runs(recorded.uri)
    monkeypatch.setattr("lkm_tune.tracking.reader.PAGE", 2)
    pd.testing.assert_frame_equal(read_runs(recorded.uri), whole)


def test_a_study_starts_afresh(recorded, play):
    old = retire_experiment(recorded.uri, "small")
    assert old.startswith("small (until ")
    assert len(read_runs(recorded.uri)) == 0
    fresh = recorded.root / "fresh"
    with StudyRecorder(play.make_study(), fresh, recorded.uri, interval=0.01) as recorder:
        play.trial(recorder, play.make_trial())
    assert len(read_runs(recorded.uri)) == 1
    kept = MlflowClient(recorded.uri).get_experiment_by_name(old)
    assert kept.lifecycle_stage == "active"


def test_nothing_to_set_aside(place):
    assert retire_experiment(place.uri, "small") is None
    assert retire_experiment(f"sqlite:///{place.root}/none.db", "small") is None
