"""Reports and answers over all studies of a storage folder, from their ledgers."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from lkm_tune.app.signs import keep_signs, signs_of
from lkm_tune.cli import cli
from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import DataPlan, SearchPlan, Study
from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.report.summary import answer_record

GAMMAS = (0.0, 0.001, 0.01, 0.1, 1.0)
BEST = {
    ("one", "gin", "qm9/homo"): 0.01,
    ("one", "gin", "qm9/mu"): 0.01,
    ("two", "gcn", "qm9/homo"): 0.1,
}


def curve_runs(cells):
    rng = np.random.default_rng(0)
    rows = []
    for (study, model, task), best in cells.items():
        for seed in range(3):
            for gamma in GAMMAS:
                gain = 0.1 * np.exp(-2 * np.log10(gamma / best) ** 2) if gamma else 0.0
                error = float(np.exp(4 + 0.05 * seed - gain + rng.normal(0, 0.004)))
                rows.append((study, model, task, gamma, seed, error))
    return rows


def fill(storage, cells):
    """The files and ledgers of finished studies."""
    for name in {study for study, _, _ in cells}:
        own = {cell: best for cell, best in cells.items() if cell[0] == name}
        study = Study(
            name=name,
            models={model: {} for _, model, _ in own},
            tasks=tuple(dict.fromkeys(task for _, _, task in own)),
            search=SearchPlan(trials=0, control=False),
            data=DataPlan(n_train=300),
        )
        folder = StudyFolder(storage, name)
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
        folder.write_study(study)
        folder.write_facts(StudyFacts({model: {"depth": 4} for model in study.models}))
        ledger = Ledger(study, folder.ledger)
        places = {(cell.model, cell.task): cell for cell in study.cells}
        for _, model, task, gamma, seed, error in curve_runs(own):
            spec = ledger.add_point(places[model, task], "curve", {"gamma": gamma}, seed)
            summary = {"val_error": error, "test_error": error, "device": "cpu", "seconds": 3600.0}
            ledger.finish(spec, "complete", summary, "full budget")


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    fill(tmp_path, BEST)
    return tmp_path


def ask(storage, *arguments, code=0):
    done = CliRunner().invoke(cli, [*arguments, "--storage", str(storage)])
    assert done.exit_code == code, done.output
    return done.output


def answers(storage, *arguments):
    return json.loads(ask(storage, "best-gamma", "--json", *arguments))


@pytest.fixture
def no_analysis(monkeypatch):
    """Makes every further analysis of runs fail."""

    def forbid():
        monkeypatch.setattr(TransferReport, "load", None)

    return forbid


def test_the_report_of_all_studies_keeps_its_answers(storage, no_analysis):
    output = ask(storage, "report")
    assert "Does the γ of a row work in the cell of a column?" in output
    assert "all three cells" in output
    told = json.loads((storage / "transfer/transfer.json").read_text())
    assert {(o["model"], o["task"]) for o in told["optima"]} == {cell[1:] for cell in BEST}
    assert "one (digest" in told["provenance"]["studies"]
    assert "two (digest" in told["provenance"]["studies"]
    assert "45.00 h on cpu" in told["provenance"]["training time"]
    no_analysis()
    assert answers(storage) == told["answers"]
    (answer,) = answers(storage, "--model", "GCN", "--task", "qm9/HOMO")
    assert answer["studies"] == ["two"]
    assert 0.05 < answer["recommended"] < 0.2
    assert answer["gain_low"] > 0


def test_one_cell_is_answered_with_all_that_is_known_of_it(storage):
    (answer,) = answers(storage, "--model", "gcn")
    told = ask(storage, "best-gamma", "--model", "gcn")
    assert answer["sentence"] in told
    assert "The published γ = 0.02 costs" in answer["sentence"]
    assert told.splitlines()[1].startswith("gcn, qm9/homo")


@pytest.mark.parametrize("margin", [0.01, 0.05])
def test_other_margins_need_no_new_analysis(storage, no_analysis, margin):
    usual = ask(storage, "best-gamma")
    no_analysis()
    other = ask(storage, "best-gamma", "--margin", str(margin))
    assert other != usual
    assert f"within {100 * margin:g} %" in other.replace("\N{NO-BREAK SPACE}", " ")
    of_json = answers(storage, "--margin", str(margin))
    assert {answer["margin"] for answer in of_json} == {margin}
    for answer in of_json:
        name, task = answer["model"], answer["task"]
        told = ask(storage, "best-gamma", "--margin", str(margin), "--model", name, "--task", task)
        assert answer["sentence"] in told
        assert answer["line"][1] in told


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    ("margin", "code", "said"),
    [
        ("0.03", 1, "known at the margins"),
        ("nan", 2, "must be a finite number, but got nan"),
        ("2", 2, "not in the range"),
    ],
)
def test_a_margin_without_verdicts(storage, form, margin, code, said):
    assert said in ask(storage, "best-gamma", "--margin", margin, *form, code=code)


def test_the_command_of_the_error_gives_a_margin_its_answers(storage):
    """The report of one study keeps them; that of all studies shows them."""
    said = ask(storage, "best-gamma", "--margin", "0.07", code=1)
    assert "`lkm-tune report --margin 0.07` shows them" in said
    assert "within 7 %" in ask(storage, "report", "--margin", "0.07").replace("\xa0", " ")
    ask(storage, "report", "one")
    said = ask(storage, "best-gamma", "--study", "one", "--margin", "0.07", code=1)
    assert "`lkm-tune report one --margin 0.07` makes them" in said
    ask(storage, "report", "one", "--margin", "0.07")
    assert "within 7 %" in ask(storage, "best-gamma", "--study", "one", "--margin", "0.07").replace(
        "\xa0", " "
    )


@pytest.mark.parametrize(("model", "task"), [("mine.nets:build", "qm9/mu"), ("gin", "file:x.csv")])
def test_a_name_of_ones_own_is_predicted(storage, model, task):
    (answer,) = answers(storage, "--model", model, "--task", task)
    assert (answer["predicted"], answer["model"], answer["task"]) == (True, model, task)


def test_another_margin_keeps_no_answers(storage):
    ask(storage, "report", "--margin", "0.2")
    assert not (storage / "transfer/answers.json").exists()


@pytest.mark.parametrize(
    ("model", "task"), [("gcn", "qm9/mu"), ("gcn", "md17/aspirin"), ("Pamnet", "QM9/mu")]
)
def test_a_cell_never_searched_is_predicted_without_a_new_analysis(
    storage, no_analysis, model, task
):
    """Both known but not together; only the architecture known; only the task known."""
    expected = answer_record(TransferReport.load(storage).best_gamma(model, task))
    answers(storage)
    no_analysis()
    (answer,) = answers(storage, "--model", model, "--task", task)
    assert answer == expected
    assert answer["predicted"]
    assert "never searched" in ask(storage, "best-gamma", "--model", model, "--task", task)


def test_the_signs_of_other_code_are_made_again(storage):
    folder = StudyFolder(storage, "one")
    keep_signs(folder.read_study(), folder)
    kept = json.loads(folder.signs.read_text())
    kept["signs"] = ["an old sign"]
    folder.signs.write_text(json.dumps(kept))
    assert signs_of(folder.read_study(), folder) == ("an old sign",)
    folder.signs.write_text(json.dumps(kept | {"of": kept["of"] | {"package": "other"}}))
    assert signs_of(folder.read_study(), folder) != ("an old sign",)


def test_new_runs_make_the_answers_old(storage):
    assert len(answers(storage)) == 3
    fill(storage, {**BEST, ("two", "gat", "qm9/mu"): 0.1})
    assert len(answers(storage)) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "other"), "no finished curve of other; there are: gcn on qm9/homo; gin on"),
        (
            ("--model", "Gcm", "--task", "qm9/hom"),
            "unknown model 'Gcm': it must be a searched model, one that `lkm-tune models` lists, or"
            " a function of your own (package.module:function); did you mean gcn?\nunknown task"
            " 'qm9/hom': it must be a searched task, one that `lkm-tune tasks` lists, or a file of"
            " your own (file:PATH); did you mean qm9/homo or",
        ),
        (("--model", "gin", "--task", "zzz"), "unknown task 'zzz'"),
        (("--model", "mxmnet", "--task", "md17/aspirin"), "no finished curve of mxmnet on md17"),
        (("--study", "three"), "there are: one, two"),
    ],
)
def test_wrong_names_are_told_which_there_are(storage, arguments, said):
    assert said in ask(storage, "best-gamma", *arguments, code=1)


@pytest.mark.parametrize("verb", ["report", "best-gamma"])
def test_an_empty_storage_folder(tmp_path, verb, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "no study has run in" in ask(tmp_path, verb, code=1)
    assert not list(tmp_path.iterdir())
