import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import CellKey, TransferReport, cell_sentence
from lkm_tune.transfer.fit.answer import LEAVE_OFF, USE
from lkm_tune.transfer.fit.answer import UNDECIDED as UNDECIDED_CELL
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.report.page import render
from lkm_tune.transfer.report.summary import answer_record
from lkm_tune.transfer.report.write import write_report


@pytest.fixture(scope="module")
def runs(simulate, shapes) -> pd.DataFrame:
    peak, flat, slope, cliff = (shapes[s] for s in ("peak", "flat", "slope", "cliff"))
    return simulate(
        {"early": peak(0.006, 0.12), "broad": peak(0.006, 0.10, 1.6), "late": peak(0.2, 0.10),
         "flat": flat(0.0), "edge": slope(-0.05), "cliff": cliff(0.01, 0.05)},
        seeds=6, noise=0.002,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(runs) -> TransferReport:
    return TransferReport.from_runs(runs)


def verdict(report: TransferReport, source: str, target: str) -> str:
    table = report.regret
    model = [(s[0], t[0]) for s, t in zip(table["source"], table["target"], strict=True)]
    return str(table["verdict"][model.index((source, target))])


def test_optima_find_the_truth(report) -> None:
    optima = report.optima.set_index("model")
    for model, gamma, gain in [
        ("early", 0.006, 0.113),
        ("late", 0.2, 0.095),
        ("cliff", 0.01, 0.046),
    ]:
        row = optima.loc[model]
        assert row["gamma_low"] < gamma < row["gamma_high"]
        assert row["gamma_high"] / row["gamma_low"] < 30
        assert row["gain_low"] < gain < row["gain_high"]
        assert not row["flat"]
        assert not row["at_edge"]


def test_tables_have_the_promised_columns(report) -> None:
    optima = (
        "recommended decision gain gain_low gain_high largest_gain bound gamma_best gamma_low"
        " gamma_high flat at_edge"
    )
    assert list(report.optima) == [*CellKey._fields, *optima.split()]
    regret = (
        "source target gamma regret regret_low regret_high bound gain_kept verdict q_value missing"
        " verdict_1 verdict_2 verdict_5"
    )
    assert list(report.regret) == regret.split()


def test_flat_and_edge_are_called_so(report) -> None:
    optima = report.optima.set_index("model")
    assert optima["flat"].to_dict() == {m: m == "flat" for m in optima.index}
    assert optima["at_edge"].to_dict() == {m: m == "edge" for m in optima.index}
    row = optima.loc["flat"]
    assert (row["gamma_low"], row["gamma_high"]) == pytest.approx((1e-3, 1.0))
    assert "may lie beyond it" in cell_sentence(report.best_gamma("edge", "qm9/homo"))


def test_a_flat_curve_has_no_edge(simulate, shapes) -> None:
    optimum = TransferReport.from_runs(simulate({"a": shapes["slope"](-0.002)})).optima.iloc[0]
    assert optimum["gamma_best"] == pytest.approx(1.0)
    assert optimum["flat"]
    assert not optimum["at_edge"]


def test_verdicts_of_clear_pairs(report) -> None:
    assert verdict(report, "early", "broad") == TRANSFERS
    assert verdict(report, "early", "late") == DOES_NOT
    assert verdict(report, "late", "cliff") == DOES_NOT
    assert verdict(report, "early", "flat") == NOTHING
    # A flat cell also recommends a γ, which has a verdict in other cells.
    assert verdict(report, "flat", "late") in (TRANSFERS, DOES_NOT)


def test_regret_and_what_is_kept_of_the_gain(report) -> None:
    table = report.regret
    row = table[
        (table["source"] == CellKey("early", "qm9/homo", 4, 300))
        & (table["target"] == CellKey("late", "qm9/homo", 4, 300))
    ].iloc[0]
    # By the truth, γ = 0.006 in "late": the gain 0.0945 shrinks to 1 − exp(−0.1·e^{−2.37}).
    kept = 0.1 * np.exp(-0.5 * (np.log10(0.2 / 0.006) / 0.7) ** 2)
    assert row["regret_low"] < np.exp(0.1 - kept) - 1 < row["regret_high"]
    assert row["gain_kept"] == pytest.approx((1 - np.exp(-kept)) / (1 - np.exp(-0.1)), abs=0.1)
    to_flat = table[[t[0] == "flat" for t in table["target"]]]
    assert to_flat["gain_kept"].isna().all()


def test_agreement_knows_alike_from_opposite(report) -> None:
    table = report.agreement
    tau = {
        (a[0], b[0]): t
        for a, b, t in zip(table["first"], table["second"], table["tau"], strict=True)
    }
    assert tau["broad", "early"] == 1
    assert tau["cliff", "edge"] < 0
    assert (table["tau_low"] <= table["tau"]).all()
    assert (table["points"] == 7).all()


def test_the_same_runs_in_any_order_give_the_same_report(runs, report) -> None:
    again = TransferReport.from_runs(runs.sample(frac=1, random_state=1))
    assert again.to_dict() == report.to_dict()


def test_other_cells_do_not_move_a_cells_draws(runs, report) -> None:
    # Cells share only the estimate of noise, from more than two cells, so both reports match
    # exactly.
    two = TransferReport.from_runs(runs[runs["model"].isin(["early", "late"])])
    one = TransferReport.from_runs(runs[runs["model"] == "early"])
    pd.testing.assert_series_equal(two.optima.iloc[0], one.optima.iloc[0])


def test_best_gamma_by_name(report) -> None:
    found = report.best_gamma("Early", "QM9/HOMO")
    assert found.model == "early"
    assert found.gamma_low < found.recommended < found.gamma_high
    assert found.decision == USE
    said = cell_sentence(found)
    assert said.startswith("early on qm9/homo (depth 4, 300 samples): use γ = 0.00")
    assert "rests on 6 seeds" in said
    stranger = report.best_gamma("pamnet", "qm9/mu")
    assert stranger.predicted
    assert stranger.kin == 0
    assert "Neither pamnet nor qm9/mu was searched, so all cells count" in cell_sentence(stranger)


def test_the_decision_for_each_cell(report) -> None:
    decisions = {answer.model: answer.decision for answer in report.answers}
    flat = decisions.pop("flat")
    assert set(decisions.values()) == {USE}
    assert flat in (LEAVE_OFF, UNDECIDED_CELL)
    for answer in report.answers:
        assert answer.gain >= 0
        assert answer.gain_low <= answer.gain <= answer.gain_high
        assert answer.largest_gain >= answer.gain_low
        assert 0 <= answer.bound < 0.02
        assert answer.missing == ""


def test_verdicts_at_three_margins_come_from_one_analysis(runs, report) -> None:
    for margin in (0.01, 0.05):
        other = TransferReport.from_runs(runs, margin=margin)
        name = f"verdict_{100 * margin:.0f}"
        assert other.regret["verdict"].tolist() == report.regret[name].tolist()
    assert report.regret["verdict"].tolist() == report.regret["verdict_2"].tolist()


def test_two_seeds_decide_nothing(simulate, shapes) -> None:
    curves = {"a": shapes["peak"](0.03, 0.3), "b": shapes["slope"](0.2)}
    report = TransferReport.from_runs(simulate(curves, seeds=2, noise=0.001))
    assert set(report.regret["verdict"]) == {UNDECIDED}
    assert report.regret["bound"].notna().all()
    assert {answer.decision for answer in report.answers} == {UNDECIDED_CELL}


def test_json_is_valid_and_whole(report) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    data = json.loads(json.dumps(report.to_dict(), allow_nan=False), parse_constant=refuse)
    assert (data["schema"], data["schema_version"]) == ("lkm-tune/transfer", 6)
    assert len(data["regret"]) == 30
    assert data["regret"][0]["source"] == list(report.regret["source"][0])
    flat = data["answers"][4]
    assert answer_record(report.best_gamma("flat", "qm9/homo")) == flat
    assert (flat["schema_version"], flat["decision"]) == (6, report.answers[4].decision)
    assert flat["bound"] == pytest.approx(report.answers[4].bound)  # JSON holds 12 digits
    assert data["summary"]["by_margin"]["0.02"]["lines"][4] == ["flat", *flat["line"][1:]]
    assert data["answers"][4]["studies"] == ["study"]


def test_write_leaves_only_whole_files(report, runs, tmp_path) -> None:
    (tmp_path / "report.html").write_text("old")
    paths = write_report(report, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(paths)
    assert set(paths) == {
        "report.html", "curves.svg", "transfer.json", "curves.csv", "regret.csv", "trials.csv",
    }  # fmt: skip
    sheet = ElementTree.parse(paths["curves.svg"]).getroot()
    figures = sheet.findall("{http://www.w3.org/2000/svg}svg")
    assert len(figures) == len(report.answers)
    assert [title.text for title in sheet.findall("{http://www.w3.org/2000/svg}text")] == [
        line[0] for line in report.summary["by_margin"]["0.02"]["lines"]
    ]
    assert len(pd.read_csv(paths["trials.csv"])) == len(runs)
    curves = pd.read_csv(paths["curves.csv"])
    assert (curves["kind"] == "measured").sum() == len(runs)


def test_one_seed_gives_no_verdict_and_says_so(simulate, shapes) -> None:
    curves = {"a": shapes["peak"](0.03, 0.3), "b": shapes["peak"](0.03, 0.3)}
    report = TransferReport.from_runs(simulate(curves, seeds=1))
    assert report.optima[["gain", "gain_low", "gamma_low", "gamma_high"]].isna().all(axis=None)
    assert set(report.regret["verdict"]) == {UNDECIDED}
    assert not report.optima["flat"].any()
    assert "only one seed" in report.warnings[0]
    assert "one seed cannot show whether this is chance" in cell_sentence(report.answers[0])


def test_diverged_runs_bound_the_range(simulate, shapes) -> None:
    runs = simulate({"a": shapes["slope"](-0.05), "b": shapes["slope"](-0.05)})
    bad = (runs["model"] == "b") & (runs["gamma"] >= 0.3)
    runs.loc[bad, ["status", "test_error", "val_error"]] = ["diverged", np.inf, np.nan]
    report = TransferReport.from_runs(runs)
    details = report.details.set_index("model").loc["b"]
    assert (details["range_high"], details["diverged"]) == (0.1, "0.3, 1")
    assert report.optima.set_index("model").loc["b", "at_edge"]
    assert "training diverges at γ = 0.3" in cell_sentence(report.best_gamma("b", "qm9/homo"))
    assert verdict(report, "a", "b") == DOES_NOT
    assert any("which bounds the range (at γ = 0.3, 1)" in w for w in report.warnings)


def test_a_lone_diverged_run_does_not_cut_the_range(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)})
    lone = (runs["gamma"] == 0.01) & (runs["seed"] == 0)
    runs.loc[lone, "status"] = "diverged"
    report = TransferReport.from_runs(runs)
    assert report.details["range_low"][0] == 0.001
    assert any(
        "some runs diverged and are left out (1 of 4 at γ = 0.01)" in w for w in report.warnings
    )


@pytest.mark.parametrize(("until", "said"), [("", True), ("seeds", True), ("decided", False)])
def test_runs_that_a_look_left_out_are_not_missing(simulate, shapes, until, said) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=5)
    raced = runs[~((runs["gamma"] == 1.0) & (runs["seed"] >= 3))].assign(until=until)
    report = TransferReport.from_runs(raced)
    told = "runs of the grid γ × seed are missing (2 of 40)"
    assert any(told in warning for warning in report.warnings) == said


def test_gaps_and_unequal_grids_are_carried_and_said(simulate, shapes) -> None:
    curve = shapes["peak"](0.03, 0.1)
    a = simulate({"a": curve}, noise=0.003)
    b = simulate({"b": curve}, noise=0.003, gammas=(2e-3, 6e-3, 2e-2, 6e-2, 2e-1, 6e-1), random=1)
    a = a[~((a["seed"] == 0) & (a["gamma"] == 0)) & ~((a["seed"] == 1) & (a["gamma"] == 0.03))]
    a.loc[a.index[5], "status"] = "stopped"
    report = TransferReport.from_runs(pd.concat([a, b]))
    text = " ".join(report.warnings)
    assert "runs of the grid γ × seed are missing (3 of 32)" in text
    assert "curve runs stopped before the full budget are left out (1)" in text
    assert "not all measured at the same γ" in text
    assert ((report.optima["gain_low"] < 0.095) & (report.optima["gain_high"] > 0.095)).all()
    assert report.regret["regret_high"].max() < 0.05
    assert report.agreement["tau"].isna().all()


def test_without_a_control_the_shape_still_speaks(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.2), "b": shapes["peak"](0.03, 0.2)})
    report = TransferReport.from_runs(runs[runs["gamma"] > 0])
    assert report.optima["gain"].isna().all()
    assert (report.optima["gamma_low"] < 0.03).all()
    assert (report.optima["gamma_high"] > 0.03).all()
    assert report.regret["regret_high"].max() < 0.05
    assert any("no γ = 0 run" in w for w in report.warnings)


@pytest.mark.parametrize(
    ("keep", "warning"),
    [
        ("gamma in (0, 0.01)", "between this and other cells is given (1 of at least 3)"),
        ("gamma in (0, 0.01, 0.1)", "between this and other cells is given (2 of at least 3)"),
        ("gamma == 0", "All cells: no response curve is finished yet."),
        ("(seed == 0 and gamma == 0) or (seed == 1 and gamma > 0.9)", "repeat the same seeds"),
    ],
)
def test_too_little_gives_a_report_without_verdict_that_says_why(
    simulate, shapes, tmp_path, keep, warning
) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.3), "b": shapes["peak"](0.03, 0.3)}, noise=1e-4)
    report = TransferReport.from_runs(runs.query(keep))
    assert any(warning in w for w in report.warnings)
    assert set(report.regret["verdict"]) <= {UNDECIDED}
    assert not any(answer.flat for answer in report.answers)
    write_report(report, tmp_path)


@pytest.mark.parametrize(
    ("of_mean", "noted", "decided"),
    [(1.04, "learnt nothing", True), (0.755, "learnt little", False), (0.6, "", False)],
)
def test_a_network_that_learnt_nothing_is_told_at_its_decision(
    simulate, shapes, of_mean, noted, decided
) -> None:
    runs = simulate({"a": shapes["flat"](), "b": shapes["flat"]()}, seeds=5)
    level = runs.loc[(runs["model"] == "a") & (runs["gamma"] == 0), "test_error"].median()
    runs["test_mean_error"] = np.where(runs["model"] == "a", level / of_mean, 500.0)
    report = TransferReport.from_runs(runs)
    first, other = report.answers
    assert first.of_mean == pytest.approx(of_mean)
    assert (other.learnt_nothing, first.learnt_nothing) == (False, decided)
    warnings = [w for w in report.warnings if "the network learnt" in w]
    assert len(warnings) == bool(noted)
    share = f"{100 * of_mean:.{0 if of_mean > 1 else 1}f}\N{NO-BREAK SPACE}%"
    for warning in warnings:
        assert warning.startswith("a on qm9/homo (depth 4, 300 samples): the network " + noted)
        assert warning.endswith(f"({share}).")
    told = report.to_dict()
    record = told["answers"][0]
    assert ("But the network learnt nothing" in record["sentence"]) == decided
    assert record["line"][1].endswith("; nothing learnt") == decided
    everywhere = told["summary"]["by_margin"]["0.02"]["all"]
    assert everywhere.endswith("But in one of the cells the network learnt nothing.") == decided
    page = render(report)
    assert page.count("But the network learnt nothing") == 2 * decided  # the card and the figure


def test_unlike_scales_are_told(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"](), "b": shapes["flat"]()})
    runs["scale"] = np.where(runs["model"] == "a", "l2, mean", "l2, sum")
    warnings = TransferReport.from_runs(runs).warnings
    assert any("not on one scale in all cells (l2, mean | l2, sum)" in w for w in warnings)


def test_runs_of_one_cell_on_another_scale_are_left_out(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}).assign(scale="l2, mean")
    other = runs[runs["seed"] == 0].assign(scale="l2, sum", study="other", test_error=1.0)
    report = TransferReport.from_runs(pd.concat([runs, other]))
    pd.testing.assert_frame_equal(report.optima, TransferReport.from_runs(runs).optima)
    said = "runs with γ on another scale than 'l2, mean', that of most runs, are left out (8)."
    assert any(said in w for w in report.warnings)


def test_a_model_without_a_depth_is_a_cell_like_any_other(simulate, shapes) -> None:
    runs = simulate({"own": shapes["peak"](0.03, 0.1)}).assign(depth=np.nan)
    report = TransferReport.from_runs(runs)
    assert cell_sentence(report.answers[0]).startswith("own on qm9/homo (300 samples): use γ = ")


def test_gain_against_the_controls_own_best_settings(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}, noise=0.003).assign(phase="curve")
    own = runs[runs["gamma"] == 0].assign(phase="control_curve", depth=6)
    own["test_error"] *= 0.95
    report = TransferReport.from_runs(pd.concat([runs, own]))
    row = report.optima.merge(report.details).iloc[0]
    assert row["gain"] == pytest.approx(1 - np.exp(-0.1), abs=0.01)
    assert row["gain_own_control"] == pytest.approx(1 - np.exp(-0.1) / 0.95, abs=0.01)
    assert row["gain_own_control_low"] < 1 - np.exp(-0.1) / 0.95 < row["gain_own_control_high"]


def test_pairs_are_asked_along_their_axis(simulate, shapes) -> None:
    curve = shapes["peak"](0.03, 0.1)
    base = simulate({"a": curve, "b": curve})
    more = simulate({"a": curve}, random=2)
    report = TransferReport.from_runs(pd.concat([base, more.assign(n_train=5000)]))
    assert report.axes["axis"].tolist() == [
        "from one sample size to another",
        "from one architecture to another",
        "in more than one way",
    ]
    assert report.axes["pairs"].tolist() == [2, 2, 2]
    verdicts = [TRANSFERS, DOES_NOT, NOTHING, UNDECIDED]
    assert report.axes[verdicts].sum(axis=1).tolist() == [2, 2, 2]
    assert report.best_gamma("a", "qm9/homo").n_train == 5000
    assert report.best_gamma("a", "qm9/homo", n_train=300).n_train == 300
    assert report.regret["source"][0] == CellKey("a", "qm9/homo", 4, 300)


def test_no_strip_of_good_gammas_where_all_are_worse_than_none(simulate, shapes) -> None:
    """The strip ends where the fitted curve is surely above γ = 0."""
    curves = {"harm": shapes["flat"](0.2), "none": shapes["flat"](), "part": shapes["slope"](0.05)}
    figures = list(TransferReport.from_runs(simulate(curves)).figures.values())
    strips = ['fill="var(--orange)" fill-opacity="0.2"' in figure for figure in figures]
    assert strips == [False, True, True]


def test_cells_are_in_the_order_of_their_numbers(simulate, shapes) -> None:
    runs = simulate({name: shapes["flat"]() for name in ("m10", "m2", "m1", "2x", "n")})
    report = TransferReport.from_runs(runs)
    assert [answer.model for answer in report.answers] == ["2x", "m1", "m2", "m10", "n"]
    assert [key.model for key in report.figures] == ["2x", "m1", "m2", "m10", "n"]
    assert report.regret["source"].iloc[0][0] == "2x"
