import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer.fit.analysis import compare, fit_cells
from lkm_tune.transfer.fit.gain import gain_at_recommended, gain_on_own_control
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import regrets
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.verdict import DOES_NOT


def cell(runs) -> CellCurve:
    return fit_cells(check_runs(runs), seed=0)[0]


def test_the_choice_for_a_seed_does_not_look_at_that_seed(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.03)}, seeds=3, noise=0.03)
    before = cell(runs)
    mine = runs["seed"] == 0
    # Enough to be the best, not so much as to be left out as an accident.
    runs.loc[mine & (runs["gamma"] == 0.001), "test_error"] /= 1.12
    after = cell(runs)
    key = ("study", 0)
    assert after.choices[key] == before.choices[key]
    assert after.grid[after.choices["study", 1]] == pytest.approx(-3)


def test_one_lucky_run_flatters_the_curve_but_gives_no_gain_that_is_shown(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()}, seeds=3, noise=0.04)
    lucky = (runs["seed"] == 0) & (runs["gamma"] == 0.03)
    runs.loc[lucky, "test_error"] *= 0.887
    found = cell(runs)
    assert -np.expm1(found.mean.min()) > 0.01
    assert gain_at_recommended(found).low < 0
    assert np.median(found.honest_draws) == pytest.approx(found.honest_level, abs=1e-3)


def test_the_honest_level_is_as_unsure_as_it_says(simulate, shapes) -> None:
    """Standardised deviations from the truth have a standard deviation of 1, not of 0.66."""
    deviations = []
    for study in range(60):
        found = cell(simulate({"a": shapes["flat"]()}, seeds=4, noise=0.02, random=study))
        if spread := found.honest_draws.std():
            deviations.append(found.honest_level / spread)
    assert 0.8 < np.sqrt(np.mean(np.square(deviations))) < 1.3


def test_a_seed_counts_by_the_runs_it_has(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=3)
    found = cell(runs[(runs["seed"] < 2) | (runs["gamma"] <= 1e-3)])
    assert list(found.shares.values()) == pytest.approx([7 / 15, 7 / 15, 1 / 15])


def test_zero_is_recommended_where_every_gamma_harms(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"](0.05)}, seeds=4, noise=0.01)
    found = cell(runs)
    assert found.places[found.recommended] == 0
    assert gain_at_recommended(found) == (0, 0, 0)
    assert set(found.choices.values()) == {len(found.grid)}
    assert found.honest_level == 0
    assert found.probability_worse(0.01)[-1] < 0.05 < 0.95 < found.probability_worse(0.01)[40]
    without = cell(runs[runs["gamma"] > 0])
    assert without.places[without.recommended] > 0


def test_the_gain_over_another_control_is_in_log_error(simulate, shapes) -> None:
    """If γ = 0 is far above the best, the response scale differs from the log errors."""
    runs = simulate({"a": shapes["flat"](-1.0)}, seeds=4, noise=0.004).assign(phase="curve")
    own = runs[runs["gamma"] == 0].assign(phase="control_curve")
    found = cell(pd.concat([runs, own], ignore_index=True))
    assert gain_on_own_control(found).value == pytest.approx(1 - np.exp(-1.0), abs=0.005)
    # If the other seeds choose γ = 0 there is no gain, for any scale.
    harmed = simulate({"a": shapes["flat"](1.0)}, seeds=4, noise=0.004).assign(phase="curve")
    own = harmed[harmed["gamma"] == 0].assign(phase="control_curve")
    found = cell(pd.concat([harmed, own], ignore_index=True))
    assert gain_on_own_control(found).value == pytest.approx(0.0, abs=1e-9)


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
    known = regrets(found, [1.0, 0.03, 30.0, 0.0], [0.01, 0.2])
    far, near, outside, zero = known.values()
    true = np.expm1(0.1 * (1 - np.exp(-0.5 * (np.log10(1 / 0.03) / 0.7) ** 2)))
    assert far.low < true < far.high
    assert far.p_beyond[0] < 0.001 < 0.9 < far.p_beyond[1]
    assert far.p_within[0] > 0.9 > 0.001 > far.p_within[1]
    assert near.low == 0
    assert near.p_within[0] < 0.05
    assert near.bound <= near.high < 0.01
    assert (outside.low, outside.high, outside.bound) == (0, np.inf, np.inf)
    assert set(outside.p_within) == set(outside.p_beyond) == {1}
    assert zero.low < np.expm1(0.1) < zero.high


def test_the_bound_is_the_smallest_margin_that_is_shown(simulate, shapes) -> None:
    found = cell(simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=4, noise=0.02))
    bound = regrets(found, [0.1], [0.01])[0.1].bound
    above, below = (regrets(found, [0.1], [bound * f])[0.1].p_within[0] for f in (1.001, 0.999))
    assert above <= 0.05 < below + 5e-4


def test_a_gamma_at_which_training_diverges_does_not_transfer_among_many_cells(
    simulate, shapes
) -> None:
    """A certain divergence is decided for any number of pairs in its family."""
    runs = simulate({name: shapes["peak"](1.0, 0.1) for name in "abcdef"}, seeds=3, noise=0.03)
    diverging = (runs["model"] == "f") & (runs["gamma"] >= 0.3)
    runs.loc[diverging, "status"] = "diverged"
    pairs = compare(fit_cells(check_runs(runs), seed=0), margin=0.02)
    into = [pair for pair in pairs if pair.target.model == "f"]
    assert {pair.verdict.verdict for pair in into} == {DOES_NOT}
    assert {pair.verdict.q_value for pair in into} == {0}
