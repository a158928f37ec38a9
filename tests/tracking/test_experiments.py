"""Studies that share an MLflow: each writes, deletes and renames its own runs and no others."""

import getpass
from collections import Counter
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from lkm_tune.ledger.study_identity import IDENTITY, StudyIdentity
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.delivery import RefusedError
from lkm_tune.tracking.experiments import retire_experiment
from lkm_tune.tracking.importer import import_runs
from lkm_tune.tracking.outbox import OUTBOX
from lkm_tune.tracking.removal import delete_experiments, experiments_of

REFUSED = r"the experiment 'small' in MLflow .* another study folder .*--experiment NAME"


@pytest.fixture
def record(play):
    """Opens a recorder on a storage folder, as each new driver does, and waits for MLflow."""

    def open_recorder(place, experiment=None):
        recorder = StudyRecorder(
            play.make_study(), place.folder, place.uri, place.artifacts, 0.01, play.FACTS,
            experiment=experiment,
        )  # fmt: skip
        try:
            recorder.check(60)
        except BaseException:
            recorder.close(0)
            raise
        return recorder

    return open_recorder


@pytest.fixture
def written(play, record):
    """Plays a study from a storage folder into its MLflow."""

    def write(place, experiment=None):
        recorder = record(place, experiment)
        play.study(recorder, place.root / "report")
        assert recorder.close() == 0

    return write


def own(place):
    return StudyIdentity.of(place.folder, "small")


def outbox(place):
    return place.folder / OUTBOX


def retire(place):
    return retire_experiment(place.uri, own(place), outbox(place))


def contents(uri, name="small"):
    """Every run of an experiment, with what it holds."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return experiment.experiment_id, {
        run.info.run_id: (run.info.status, run.info.end_time, run.data.tags, run.data.params)
        for run in runs
    }


def by_an_earlier_version(uri):
    """Takes away what earlier versions did not write."""
    client = MlflowClient(uri)
    experiment, runs = contents(uri)
    for run in runs:
        client.delete_tag(run, "lkm.uuid")
    client.delete_experiment_tag(experiment, "lkm.uuid")


def test_a_study_of_the_same_name_from_another_storage_is_refused(neighbours, written, record):
    mine, theirs = neighbours
    written(theirs)
    before = contents(theirs.uri)
    with pytest.raises(RefusedError, match=REFUSED):
        record(mine)
    with pytest.raises(RefusedError, match=REFUSED):
        retire(mine)
    assert contents(theirs.uri) == before
    record(theirs).close()
    assert contents(theirs.uri) == before


def test_with_an_experiment_of_its_own_it_goes_on_and_remembers_it(neighbours, written, record):
    mine, theirs = neighbours
    written(theirs)
    before = contents(theirs.uri)
    written(mine, "mine")
    record(mine).close()
    assert contents(theirs.uri) == before
    _, runs = contents(mine.uri, "mine")
    assert len(runs) == len(before[1])
    assert {tags["lkm.uuid"] for _, _, tags, _ in runs.values()} == {own(mine).uuid}
    assert {tags["mlflow.user"] for _, _, tags, _ in runs.values()} == {getpass.getuser()}
    record(mine, "renamed").close()
    assert contents(mine.uri, "renamed") == (contents(mine.uri, "renamed")[0], runs)
    assert MlflowClient(mine.uri).get_experiment_by_name("mine") is None
    with pytest.raises(RefusedError, match=REFUSED):
        record(mine, "small")
    record(mine).close()
    assert own(mine).experiment == "renamed", "a name that was refused is not remembered"


def test_two_studies_of_one_name_are_not_one_table(neighbours, written):
    mine, theirs = neighbours
    written(theirs)
    written(mine, "mine")
    with pytest.raises(ValueError, match=r"hold a study small: mine, small; .*--experiment NAME"):
        import_runs(mine.uri, ["small"])
    one = import_runs(mine.uri, ["small"], "mine")
    assert set(one["study"]) == {"small"}
    assert Counter(import_runs(mine.uri)["study"]) == {"mine": len(one), "small": len(one)}


@pytest.mark.parametrize("whose", ["mine", "theirs", "both", "nobody"])
def test_an_experiment_of_an_earlier_version_is_adopted_where_all_runs_are_its_own(
    neighbours, written, record, play, whose
):
    """The studies are the same, and so are the names of their trials."""
    mine, theirs = neighbours
    client = MlflowClient(mine.uri)
    if whose == "nobody":
        client.create_experiment("small")
    else:
        written(theirs if whose == "theirs" else mine)
        by_an_earlier_version(mine.uri)
    if whose == "both":
        tags = {"lkm.kind": "trial", "lkm.trial": play.make_trial().key}
        client.create_run(contents(mine.uri)[0], tags=tags)
    before = contents(mine.uri)
    if whose in ("theirs", "both"):
        said = "was not written by this study folder alone.*--experiment NAME"
        with pytest.raises(RefusedError, match=said):
            record(mine)
        with pytest.raises(RefusedError, match=said):
            retire(mine)
        assert contents(mine.uri) == before
        return
    (mine.folder / IDENTITY).unlink(missing_ok=True)
    record(mine).close()
    experiment, runs = contents(mine.uri)
    assert (experiment, len(runs)) == (before[0], len(before[1]))
    assert all(tags["lkm.uuid"] == own(mine).uuid for _, _, tags, _ in runs.values())
    with pytest.raises(RefusedError, match=REFUSED):
        record(theirs)


def test_a_deleted_experiment_of_an_earlier_version_is_left_as_it_is(neighbours, written, record):
    mine, _ = neighbours
    written(mine)
    by_an_earlier_version(mine.uri)
    MlflowClient(mine.uri).delete_experiment(contents(mine.uri)[0])
    for asked in (record, retire):
        with pytest.raises(RefusedError, match="was deleted, .*: restore it, or give the study"):
            asked(mine)
    found = MlflowClient(mine.uri).get_experiment_by_name("small")
    assert (found.lifecycle_stage, "lkm.uuid" in found.tags) == ("deleted", False)


def test_a_duplicate_is_deleted_where_it_is_its_own_and_only_there(neighbours, written, record):
    place, _ = neighbours
    written(place)
    client, (experiment, runs) = MlflowClient(place.uri), contents(place.uri)
    _, _, tags, _ = next(kept for kept in runs.values() if "lkm.trial" in kept[2])
    copies = {
        name: client.create_run(experiment, tags=tags | {"lkm.uuid": uuid}).info.run_id
        for name, uuid in (("own", tags["lkm.uuid"]), ("foreign", "another"), ("none", ""))
    }
    client.delete_tag(copies["none"], "lkm.uuid")
    record(place).close()
    assert set(contents(place.uri)[1]) - set(runs) == {copies["foreign"], copies["none"]}


def test_a_study_starts_afresh(neighbours, written, play, record):
    place, _ = neighbours
    written(place)
    old = retire(place)
    assert old.startswith("small (until ")
    assert len(import_runs(place.uri)) == 0
    outbox(place).unlink()
    recorder = record(place)
    play.trial(recorder, play.make_trial())
    recorder.close()
    assert import_runs(place.uri)["status"].tolist() == ["complete"]
    assert MlflowClient(place.uri).get_experiment_by_name(old).lifecycle_stage == "active"


def test_nothing_to_set_aside(neighbours):
    place, _ = neighbours
    assert retire(place) is None
    nothing = SimpleNamespace(folder=place.folder, uri=f"sqlite:///{place.root}/none.db")
    assert retire(nothing) is None


def test_removal_deletes_what_is_its_own_and_sets_the_name_free(neighbours, written, record):
    mine, theirs = neighbours
    written(theirs)
    before = contents(theirs.uri)
    assert experiments_of(mine.uri, own(mine), outbox(mine)) == []
    written(mine, "mine")
    retire(mine)
    record(mine).close()
    names = experiments_of(mine.uri, own(mine), outbox(mine))
    assert sorted(name.partition(" (until ")[0] for name in names) == ["mine", "mine"]
    delete_experiments(mine.uri, own(mine), outbox(mine))
    assert experiments_of(mine.uri, own(mine), outbox(mine)) == []
    assert contents(theirs.uri) == before
    delete_experiments(theirs.uri, own(theirs), outbox(theirs))
    (mine.folder / IDENTITY).unlink()
    written(mine)


def test_a_damaged_identity_is_named(neighbours):
    place, _ = neighbours
    place.folder.mkdir(parents=True)
    (place.folder / IDENTITY).write_text('{"uuid"')
    with pytest.raises(ValueError, match=r"identity\.json is damaged .*--experiment NAME"):
        own(place)
