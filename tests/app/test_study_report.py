from pathlib import Path

from lkm_tune.app.study_report import _data_in_words
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.checked_data import check_data
from lkm_tune.study import DataPlan, Study


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
    assert "; 1 entries have isotopes: dropped" in told
