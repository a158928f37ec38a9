"""One γ for all cells."""

import pytest

from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.fit.analysis import fit_cells
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.shared_gamma import shared_gamma


def found(runs):
    return shared_gamma(fit_cells(check_runs(runs), 0))


def test_it_lies_between_the_best_of_two_cells(simulate, shapes):
    """A γ between the best γ of two cells costs less than either best γ in the other cell."""
    peak = shapes["peak"]
    curves = {"low": peak(0.01, 0.1), "high": peak(0.1, 0.1)}
    shared = found(simulate(curves, seeds=8, noise=0.002))
    # By the truth at γ = 0.03: 0.1·(1 − exp(−½ (0.5/0.7)²)) = 2.2 % in both.
    assert shared.gamma == pytest.approx(0.03)
    assert 0.02 < shared.bound < 0.032
    assert (shared.cells, shared.seeds, shared.decides) == (2, 8, True)


def test_no_mixing_where_every_gamma_harms(simulate, shapes):
    harm = {name: shapes["peak"](0.03, -0.1, 3.0) for name in "abc"}
    shared = found(simulate(harm, seeds=4, noise=0.003))
    assert shared.gamma == 0
    assert shared.bound < 0.005


def test_flat_cells_need_no_mixing_at_a_margin_that_holds(simulate, shapes):
    """In flat cells chance decides which γ has the lowest bound; a shown gain is kept."""
    for draw in range(6):
        flat = {name: shapes["flat"]() for name in "abcd"}
        shared = found(simulate(flat, seeds=6, noise=0.01, random=draw))
        assert shared.at_margin(0.05).gamma == 0
        assert shared.at_margin(1e-4) == shared
    shared = found(simulate({n: shapes["peak"](0.03, 0.02) for n in "ab"}, seeds=8, noise=0.002))
    assert shared.at_margin(0.05).gamma == shared.gamma > 0


def test_without_control_it_says_nothing_of_mixing(simulate, shapes):
    """Without γ = 0 the best γ may still harm."""
    runs = simulate({name: shapes["flat"]() for name in "ab"}, seeds=6, noise=0.002)
    blind = runs[~((runs["model"] == "a") & (runs["gamma"] == 0))]
    assert (found(runs).control, found(blind).control) == (True, False)
    said = TransferReport.from_runs(blind).summary["by_margin"]["0.02"]["all"]
    assert "best γ above 0 in both cells. Whether mixing helps is unknown" in said
    assert "need not be searched" not in said


def test_a_gamma_at_which_one_cell_diverges_is_none(simulate, shapes):
    runs = simulate({"a": shapes["peak"](0.5, 0.1), "b": shapes["peak"](0.5, 0.1)})
    bad = (runs["model"] == "b") & (runs["gamma"] >= 0.3)
    runs.loc[bad, "status"] = "diverged"
    shared = found(runs)
    assert 0.03 < shared.gamma < 0.3
    assert shared.worst.model == "a"


@pytest.mark.parametrize(
    "keep", ["model == 'a'", "seed == 0", "(model == 'a') == (gamma < 0.02) and gamma > 0"]
)
def test_too_little_says_nothing(simulate, shapes, keep):
    """One cell; one seed; no common measured γ."""
    runs = simulate({"a": shapes["peak"](0.03, 0.1), "b": shapes["flat"]()})
    assert found(runs.query(keep)) is None
