"""The answer names the limits of the grid of γ."""

import pytest

from lkm_tune.transfer import TransferReport, cell_sentence
from lkm_tune.transfer.report.study_sentences import further_runs

HALF_DECADES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


@pytest.mark.parametrize(
    ("gammas", "step"),
    [((1e-3, 1e-2, 1e-1, 1.0), 10), ((1e-3, 1e-2, 2e-2, 5e-2, 1.0), 2.5), (HALF_DECADES, 3)],
)
def test_the_step_of_the_grid_is_told_where_dips_may_hide_in_it(
    simulate, shapes, gammas, step
) -> None:
    runs = simulate({"a": shapes["peak"](0.025, 0.1)}, gammas=gammas)
    report = TransferReport.from_runs(runs)
    assert report.details["step"].tolist() == pytest.approx([step])
    (answer,) = report.answers
    told = "in steps of a factor of 10: a narrower dip" in cell_sentence(answer)
    further = further_runs(report.answers, report.unsearched, {})
    changes = any("narrower dips: a on qm9/homo" in sentence for sentence in further)
    assert told == changes == (step == 10)
