import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from lkm_tune.transfer import TransferReport, cell_sentence
from lkm_tune.transfer.fit.analysis import fit_cells
from lkm_tune.transfer.fit.drivers import degrees_of_freedom, drivers_sentence, drivers_table
from lkm_tune.transfer.fit.prediction import regret_at
from lkm_tune.transfer.fit.prediction_costs import (
    RULES,
    prediction_sentence,
    prediction_summary,
)
from lkm_tune.transfer.fit.prediction_test import NEVER, own_regret
from lkm_tune.transfer.fit.run_table import check_runs

COLUMNS = (
    "model task depth n_train protocol left_out cells gamma gamma_low gamma_high regret_expected"
    " regret regret_low regret_high regret_paper regret_zero regret_own"
)


@pytest.fixture(scope="module")
def report(simulate, shapes) -> TransferReport:
    """The best γ follows the architecture: early at 0.005, late at 0.2; one pair not searched."""
    tables = []
    for number, task in enumerate(("qm9/homo", "qm9/mu", "qm9/r2", "qm9/gap")):
        curves = {"early": shapes["peak"](0.005, 0.1), "late": shapes["peak"](0.2, 0.1)}
        if task == "qm9/gap":
            curves.pop("late")
        tables.append(simulate(curves, noise=0.003, random=number).assign(task=task))
    return TransferReport.from_runs(pd.concat(tables))


def test_columns_and_rows(report) -> None:
    table = report.predictions
    assert list(table) == COLUMNS.split()
    assert table["left_out"].value_counts().to_dict() == {
        "cell": 7, "task": 7, "architecture": 7, NEVER: 1,
    }  # fmt: skip


def test_kin_are_found_to_predict_where_they_do(report) -> None:
    rows = report.predictions.set_index(["left_out", "model"])
    for left_out in ("cell", "task"):
        assert rows.loc[(left_out, "early"), "gamma"].max() < 0.02
        assert rows.loc[(left_out, "late"), "gamma"].min() > 0.05
        assert rows.loc[left_out, "regret"].max() < 0.01
    # Without the architecture, the other architecture misleads.
    assert rows.loc[("architecture", "early"), "regret"].min() > 0.03


def test_the_judgement_is_against_the_other_ways_to_choose(report) -> None:
    summary = prediction_summary(report.predictions)
    ways = summary[summary["left_out"] == "cell"].set_index("rule")
    assert set(ways["n"]) == {7}
    costs = ways["regret"]
    assert costs["regret_own"] < 0.01
    assert costs["regret"] < costs["regret_paper"] < costs["regret_zero"]
    sentence = prediction_sentence(summary, 0.01)
    assert sentence.startswith("Yes, for cells like these")
    assert "γ = 0 is shown to cost more" in sentence
    assert all(name in sentence for name in RULES.values())


def test_a_cell_never_searched_is_predicted_with_what_from(report) -> None:
    (answer,) = report.unsearched
    assert (answer.model, answer.task) == ("late", "qm9/gap")
    assert answer == report.best_gamma("LATE", "qm9/GAP")
    assert answer.predicted
    assert answer.gamma_low < 0.2 < answer.gamma_high
    assert len(answer.based_on) == 7
    assert "never searched. Predicted from seven finished cells" in cell_sentence(answer)
    assert report.best_gamma("early", "md17/new").predicted
    assert report.best_gamma("early", "qm9/mu", n_train=9000).predicted
    assert report.best_gamma("other", "md17/new").kin == 0
    assert answer.kin == 4


def test_ways_to_choose_are_judged_alike(simulate, shapes) -> None:
    """A γ = 0 that triples the error counts as a divergence; the own γ uses held-out seeds."""
    runs = simulate({"a": shapes["flat"](-1.1)}, seeds=3, noise=0.05)
    (found,) = fit_cells(check_runs(runs), seed=0)
    assert regret_at(found, 0.0) == pytest.approx(1.0)
    lucky = simulate({"a": shapes["flat"]()}, seeds=3, noise=0.01)
    lucky.loc[(lucky["seed"] == 0) & (lucky["gamma"] == 0.03), "test_error"] *= 0.8
    (found,) = fit_cells(check_runs(lucky), seed=0)
    judged_on_itself = np.mean(found.expected_regret[list(found.choices.values())])
    assert own_regret(found) > 1.2 * judged_on_itself


def test_zero_is_predicted_where_mixing_harms_everywhere(simulate, shapes) -> None:
    runs = simulate({name: shapes["flat"](0.05) for name in "abc"}, noise=0.004)
    report = TransferReport.from_runs(runs)
    found = report.best_gamma("new", "qm9/homo")
    assert (found.recommended, found.kin) == (0, 3)
    assert report.predictions["gamma"].eq(0).all()


def test_one_cell_says_nothing_on_how_cells_differ(simulate, shapes) -> None:
    report = TransferReport.from_runs(simulate({"a": shapes["peak"](0.03, 0.1)}))
    found = report.best_gamma("a", "qm9/mu")
    assert (found.gamma_low, found.gamma_high) == pytest.approx((1e-3, 1.0))
    assert np.isnan(found.expected_regret)
    assert report.predictions.empty


def test_the_interval_holds_the_best_of_a_new_cell(simulate, shapes) -> None:
    rng = np.random.default_rng(0)
    inside = []
    for study in range(4):
        places = 10 ** rng.normal(-1.5, 0.3, 5)
        curves = {f"m{i}": shapes["peak"](at, 0.1) for i, at in enumerate(places)}
        table = TransferReport.from_runs(simulate(curves, random=study)).predictions
        rows = table[table["left_out"] == "cell"]
        inside += list((rows["gamma_low"] < places) & (places < rows["gamma_high"]))
    assert np.mean(inside) >= 0.9


def optima(model_spread: float, per_tenfold: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    offsets = np.linspace(-1, 1, 4) * model_spread
    rows = [
        {
            "model": f"m{m}", "task": f"t{task}", "depth": 4, "n_train": n, "flat": False,
            "gamma_best": 10 ** (offset + per_tenfold * np.log10(n) + rng.normal(0, 0.05)),
            "gamma_low": 0.0,
        }
        for m, offset in enumerate(offsets)
        for task in range(3)
        for n in (300, 3000)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_drivers_are_told_from_what_moves_nothing() -> None:
    table = drivers_table(optima(model_spread=0.5, per_tenfold=0.3)).set_index("driver")
    assert list(table.index[:1]) == ["architecture"]
    assert table.loc["architecture", "spread"] == pytest.approx(0.37, abs=0.1)
    assert table.loc["sample size", "effect"] == pytest.approx(0.3, abs=0.06)
    assert table.loc["sample size", "p_value"] < 1e-6
    assert table.loc["task", "spread"] < 0.05
    assert table.loc["unexplained", "spread"] == pytest.approx(0.05, abs=0.02)
    assert "architecture" in drivers_sentence(table.reset_index())


@pytest.mark.parametrize(
    ("cells", "fixed", "levels", "dof"),
    [(8, 2, [2], 5), (8, 2, [4, 4], 1), (24, 2, [4, 3], 17), (8, 3, [], 5)],
)
def test_slopes_from_few_cells_have_few_degrees_of_freedom(cells, fixed, levels, dof) -> None:
    assert degrees_of_freedom(cells, fixed, levels) == dof


def test_the_interval_of_a_slope_is_students(simulate) -> None:
    """Two architectures, two tasks, two sizes: 8 − 2 − 1 − 1 degrees of freedom."""
    table = optima(0.5, 0.3)
    few = table[table["model"].isin(["m0", "m3"]) & table["task"].isin(["t0", "t1"])]
    row = drivers_table(few).set_index("driver").loc["sample size"]
    half = (row["effect_high"] - row["effect_low"]) / 2
    p = 2 * student_t.sf(row["effect"] / (half / student_t.isf(0.025, 4)), 4)
    assert row["p_value"] == pytest.approx(p)


def test_too_few_cells_say_nothing_on_drivers() -> None:
    few = drivers_table(optima(0.5, 0.3).head(7))
    assert few.empty
    assert "needs 8 cells" in drivers_sentence(few)
