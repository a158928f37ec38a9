import numpy as np
import pytest

from lkm_tune.transfer.fit.analysis import fit_cells, gain
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import fixed_regret
from lkm_tune.transfer.fit.run_table import check_runs


def cell(runs) -> CellCurve:
    return fit_cells(check_runs(runs), seed=0)[0]


def test_the_choice_for_a_seed_does_not_look_at_that_seed(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=3)
    before = cell(runs)
    mine = runs["seed"] == 0
    runs.loc[mine & (runs["gamma"] == 0.001), "test_error"] /= 3
    after = cell(runs)
    key = ("study", 0)
    assert after.choices[key] == before.choices[key]
    assert after.grid[after.choices["study", 1]] == pytest.approx(-3)


def test_one_lucky_run_flatters_the_curve_but_not_the_gain(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()}, seeds=3, noise=0.01)
    lucky = (runs["seed"] == 0) & (runs["gamma"] == 0.03)
    runs.loc[lucky, "test_error"] *= 0.8
    found = cell(runs)
    flattered, honest = -np.expm1(found.mean.min()), gain(found, 0.01)
    assert flattered > 0.01
    assert honest.value < flattered / 2
    assert honest.low < 0 < honest.high
    assert np.median(found.honest_draws) == pytest.approx(found.honest_level, abs=1e-3)


def test_interval_of_gamma_narrows_with_seeds_and_holds_the_truth(simulate, shapes) -> None:
    widths = []
    for seeds in (3, 12):
        found = cell(simulate({"a": shapes["peak"](0.03, 0.06)}, seeds=seeds, noise=0.01))
        inside = found.grid[found.as_good]
        assert inside.min() < np.log10(0.03) < inside.max()
        widths.append(np.ptp(inside))
    assert widths[1] < 0.8 * widths[0] < 3


def test_regret_of_a_given_gamma(simulate, shapes) -> None:
    found = cell(simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=6, noise=0.004))
    far = fixed_regret(1.0, found, margin=0.01)
    true = np.expm1(0.1 * (1 - np.exp(-0.5 * (np.log10(1 / 0.03) / 0.7) ** 2)))
    assert far.low < true < far.high
    assert far.p_beyond < 0.001
    near = fixed_regret(0.03, found, margin=0.01)
    assert near.low == 0
    assert near.p_within < 0.05
    outside = fixed_regret(30.0, found, margin=0.01)
    assert (outside.low, outside.high) == (0, np.inf)
    assert outside.p_within == outside.p_beyond == 1
