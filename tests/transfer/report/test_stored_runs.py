"""Runs of a storage folder: what the analysis knows of the studies that made them."""

import pytest

from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import CurvePlan, SearchPlan, Study
from lkm_tune.transfer import TransferReport

GAMMAS = (0.0, 0.01, 0.1, 1.0)


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (CurvePlan(gammas=GAMMAS, seeds=3, max_seeds=5), False),
        (CurvePlan(gammas=GAMMAS, seeds=(1, 2, 3, 4)), True),
    ],
)
def test_runs_that_a_look_left_out_are_not_missing(tmp_path, curve, said) -> None:
    study = Study(
        "s", {"gin": {}}, ("qm9/homo",), search=SearchPlan(trials=0, control=False), curve=curve
    )
    folder = StudyFolder(tmp_path, study.name)
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    folder.write_facts(StudyFacts({"gin": {"depth": 4}}))
    ledger = Ledger(study, folder.ledger)
    for number, (gamma, seed) in enumerate((g, s) for g in GAMMAS for s in (1, 2, 3, 4)):
        # A look left γ = 1 out after three seeds.
        if (gamma, seed) != (1.0, 4):
            error = 1.0 + 0.01 * (number % 3)
            summary = {"val_error": error, "test_error": error, "seconds": 1.0, "device": "cpu"}
            spec = ledger.add_point(study.cells[0], "curve", {"gamma": gamma}, seed)
            ledger.finish(spec, "complete", summary, "full budget")
    warnings = TransferReport.load(tmp_path).warnings
    assert any("γ × seed are missing (1 of 16)" in warning for warning in warnings) == said
