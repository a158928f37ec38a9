from dataclasses import replace
from pathlib import Path

import pytest

from lkm_tune.app.stored_answers import usual_margin
from lkm_tune.app.study_report import _data_in_words
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.checked_data import check_data
from lkm_tune.study import DataPlan, ReportPlan, Study


def test_a_report_says_what_was_left_out_of_a_file(tmp_path: Path):
    table, clean = tmp_path / "own.csv", tmp_path / "clean.csv"
    lines = [f"{'C' * n}O,{n}" for n in range(1, 10)]
    clean.write_text("\n".join(["smiles,y", *lines]))
    table.write_text("\n".join(["smiles,y", *lines, "C1CC,1", "[13CH4],2"]))
    plan = DataPlan(target="y", n_train=4, n_val=2, invalid="skip")
    study = Study("small", {"gin": {}}, {f"file:{table}": plan, f"file:{clean}": plan})
    digests, notes = check_data(study, tmp_path / "cache")
    assert set(digests) == set(notes) == set(study.tasks)
    folder = StudyFolder(tmp_path, "small")
    folder.path.mkdir(parents=True)
    folder.note_remarks(notes)
    words = _data_in_words(study, folder)
    assert f"read from the file of file:{clean}" not in words
    told = words[f"read from the file of file:{table}"]
    assert told.startswith("1 of 11 entries are left out (1 no SMILES). First: line 11: 'C1CC'")
    assert "; 1 entry has isotopes: dropped" in told


@pytest.mark.parametrize(
    ("margins", "usual"), [((), 0.02), ((0.05,), 0.05), ((0.05, 0.05), 0.05), ((0.05, 0.01), 0.02)]
)
def test_studies_with_one_margin_are_answered_at_it(tmp_path: Path, margins, usual):
    for number, margin in enumerate(margins):
        folder = StudyFolder(tmp_path, f"study{number}")
        folder.path.mkdir(parents=True)
        study = Study(f"study{number}", {"gin": {}}, {"qm9/mu": DataPlan()})
        folder.write_study(replace(study, report=ReportPlan(margin=margin)))
    assert usual_margin(tmp_path) == usual
