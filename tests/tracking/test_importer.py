"""The table of runs from MLflow alone."""

import pandas as pd
import pytest
from mlflow import MlflowClient

from lkm_tune.ledger.run_table import COLUMNS, RowMaker, table
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.importer import import_runs


@pytest.fixture(scope="module")
def played(databases, play, tmp_path_factory):
    """A database with the small study in it."""
    root, uri = tmp_path_factory.mktemp("played"), databases.empty()
    with StudyRecorder(play.make_study(), root, uri, root, 0.01, play.FACTS) as recorder:
        play.study(recorder, root / "report")
    return uri


@pytest.fixture
def recorded(place, played):
    """A storage folder with the small study in it."""
    place.uri = place.databases.copy(played)
    return place


def test_one_row_a_run(recorded, play):
    runs = import_runs(recorded.uri).set_index("trial")
    status = {trial.key: name for name, trial in play.TRIALS.items()}
    assert runs["status"].rename(status).to_dict() == {
        "complete": "complete",
        "stopped": "stopped",
        "diverged": "diverged",
        "failed": "failed",
        "control": "complete",
        "other cell": "complete",
        "point": "complete",
    }, "the old point lies at settings that its cell's curve has left"
    assert runs.loc[play.TRIALS["failed"].key, "reason"] == "ValueError: no"


def test_it_is_the_table_of_the_ledger(place, play):
    """The rows of the ledger, with the same types."""
    study = play.make_study()
    records = [
        play.record(play.make_trial(), "complete", play.make_summary(layer_cka=0.5)),
        play.record(play.make_trial(number=1), "failed", reason="long " * 3000 + "end"),
        play.record(play.make_trial(number=2), "diverged", play.make_summary(val_error=None)),
    ]
    with StudyRecorder(study, place.folder, place.uri, None, 0.01, play.FACTS) as recorder:
        for record in records:
            recorder.ended(record)
    found, maker = import_runs(place.uri), RowMaker(study, play.FACTS)
    expected = table(maker.row(record) for record in records)
    reasons = zip(expected["reason"], found["reason"], strict=True)
    assert all(whole.endswith(kept) for whole, kept in reasons)
    pd.testing.assert_frame_equal(found.drop(columns="reason"), expected.drop(columns="reason"))
    assert list(found.columns[: len(COLUMNS)]) == list(COLUMNS)


def test_other_peoples_runs_and_studies_are_left_out(recorded):
    client = MlflowClient(recorded.uri)
    client.create_run(client.create_experiment("foreign"))
    client.create_run(client.get_experiment_by_name("small").experiment_id)
    assert len(import_runs(recorded.uri)) == 7
    assert len(import_runs(recorded.uri, ["small"])) == 7
    assert len(import_runs(recorded.uri, ["large"])) == 0


def test_many_pages(recorded, monkeypatch):
    whole = import_runs(recorded.uri)
    monkeypatch.setattr("lkm_tune.tracking.experiments.PAGE", 2)
    pd.testing.assert_frame_equal(import_runs(recorded.uri), whole)


def test_what_cannot_be_read_is_said(recorded, play, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no MLflow database"):
        import_runs(f"sqlite:///{tmp_path / 'nothing' / 'mlflow.db'}")
    assert not (tmp_path / "nothing").exists(), "reading makes no database"
    client = MlflowClient(recorded.uri)
    (experiment,) = [client.get_experiment_by_name("small").experiment_id]
    trial = next(r for r in client.search_runs([experiment]) if "lkm.row" in r.data.tags)
    client.delete_tag(trial.info.run_id, "lkm.row")
    with pytest.raises(ValueError, match="an earlier lkm-tune wrote .* without a row"):
        import_runs(recorded.uri)
