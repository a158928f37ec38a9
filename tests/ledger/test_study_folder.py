"""The records of a study's folder between runs."""

import pytest

from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import Study

STUDY = Study(name="s", models={"pamnet": {"hidden": 8}}, tasks=("qm9/homo",))


def test_the_study_comes_back_as_it_was(tmp_path):
    folder = StudyFolder(tmp_path, "s")
    assert folder.read_study() is None
    folder.write_study(STUDY)
    assert StudyFolder(tmp_path, "s").read_study() == STUDY


def test_another_data_file_under_the_same_task_is_noticed(tmp_path):
    folder = StudyFolder(tmp_path, "s")
    assert folder.note_data({"qm9/homo": "a"}) == []
    assert folder.note_data({"qm9/homo": "a", "qm9/mu": "a"}) == []
    assert folder.note_data({"qm9/homo": "a", "qm9/mu": "b"}) == ["qm9/mu"]
    assert folder.note_data({"qm9/mu": "a"}) == []


def test_putting_aside_keeps_everything_but_the_lock(tmp_path):
    folder = StudyFolder(tmp_path, "s")
    folder.write_study(STUDY)
    folder.lock.write_text("")
    old = folder.put_aside()
    assert (old / "study.json").exists()
    assert folder.lock.exists()
    assert folder.read_study() is None


@pytest.mark.parametrize(
    ("checkpoints", "trials"),
    [("out", "{here}/out/s"), ("/abs/", "/abs/s"), ("s3://bucket/x/", "s3://bucket/x/s")],
)
def test_files_of_trials_lie_at_one_place_wherever_they_are_seen_from(
    tmp_path, monkeypatch, checkpoints, trials
):
    monkeypatch.chdir(tmp_path)
    assert StudyFolder(tmp_path, "s", checkpoints).trials == trials.format(here=tmp_path)
