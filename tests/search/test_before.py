"""The present version continues a study of a version without tables from ledgers."""

import shutil
from pathlib import Path

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.run_table import study_runs
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.planner import Planner
from lkm_tune.search.run_facts import study_facts

BEFORE = Path(__file__).parents[1] / "ledger" / "before"


@pytest.fixture
def folder(tmp_path):
    made = StudyFolder(tmp_path, "before")
    shutil.copytree(BEFORE, made.path)
    return made


def test_its_trials_are_known_and_the_interrupted_one_is_issued_again(folder):
    study = folder.read_study()
    ledger = Ledger(study, folder.ledger)
    planner = Planner(study, ledger)
    (spec,) = planner.take_next()
    assert (spec.phase, spec.settings["gamma"], spec.seed) == ("curve", 0.1, 1)
    assert planner.take_next() == ()
    folder.write_facts(study_facts(study))
    summary = {"val_error": 230.0, "test_error": 231.0, "kd_ratio": 0.25, "code": ""}
    ledger.end(spec, {"summary": {**summary, "outcome": "complete", "reason": "full budget"}})
    assert planner.finished
    runs = study_runs(folder)
    assert runs["status"].value_counts().to_dict() == {"complete": 4, "stopped": 1}
    points = runs[runs["phase"] == "curve"]
    assert points["val_error"].tolist() == [260.0, 230.0]
    assert points["protocol"].nunique() == 1, "runs of both versions are one curve"
    assert points["unit"].tolist() == ["meV", "meV"]
    assert points["kd_ratio"].isna().tolist() == [True, False]
