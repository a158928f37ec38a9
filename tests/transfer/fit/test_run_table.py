import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import RunTableError, TransferReport, cell_sentence
from lkm_tune.transfer.fit.answer import LEAVE_OFF
from lkm_tune.transfer.report.text_lines import summary_lines
from lkm_tune.transfer.report.write import write_report


def test_all_missing_columns_are_named_at_once(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()}).drop(columns=["gamma", "seed", "status"])
    with pytest.raises(RunTableError, match="(?s)'gamma'.*'seed'.*'status'.*columns found: study"):
        TransferReport.from_runs(runs)


def test_all_wrong_values_are_named_at_once(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()}).astype({"gamma": object, "depth": float})
    runs.loc[0, "gamma"] = "strong"
    runs.loc[1, "depth"] = 2.5
    runs.loc[2, "test_error"] = -1.0
    runs.loc[3, "status"] = "done"
    runs.loc[[4, 6], "model"] = [" ", None]
    with pytest.raises(RunTableError) as caught:
        TransferReport.from_runs(runs)
    for part in (
        "gamma: must be a number, but got 'strong' in row 1",
        "depth: must be a whole number in every row of a curve, but got 2.5 in row 2",
        "model: must not be empty, but got ' ' in row 5, nothing in row 7",
        "test_error: must be finite and not negative, but got -1.0 in row 3",
        "complete, stopped, diverged, infeasible, failed, but got 'done' in row 4",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("repeat", "said"),
    [
        ({}, ""),  # the same result
        ({"status": "failed", "test_error": np.nan}, ""),  # a further attempt
        (
            {"test_error": 60.0},
            r"one run of a on qm9/homo \(γ = 0.003, seed 0\) has 2 different results \(row 3:"
            r" val_error 50.*; row 33: val_error 50.*, test_error 60\): keep one row",
        ),
        ({"status": "diverged"}, "row 33: diverged"),
        ({"seed": 7, "test_error": 60.0}, ""),
        ({"phase": "search", "test_error": 60.0}, ""),
    ],
)
def test_one_run_has_one_result(simulate, shapes, repeat, said) -> None:
    runs = simulate({"a": shapes["flat"]()}).assign(phase="curve")
    twice = pd.concat([runs, runs.iloc[[2]].assign(**repeat)])
    if said:
        with pytest.raises(RunTableError, match=said):
            TransferReport.from_runs(twice)
        return
    noted = "".join(TransferReport.from_runs(twice).warnings)
    whole = "phase" not in repeat and "seed" not in repeat
    assert ("runs are recorded more than once and count once (1 record too many)" in noted) == whole


def test_a_table_without_curve_runs_says_so(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()}).assign(phase="search")
    with pytest.raises(RunTableError, match="no response curve was measured yet"):
        TransferReport.from_runs(runs)
    with pytest.raises(RunTableError, match="no response curve was measured yet"):
        TransferReport.from_runs(runs.iloc[:0])


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1, float("nan")])
def test_margin_is_a_fraction(simulate, shapes, margin) -> None:
    with pytest.raises(ValueError, match="0 < margin < 1"):
        TransferReport.from_runs(simulate({"a": shapes["flat"]()}), margin=margin)


def test_rows_of_other_phases_may_hold_anything(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}).assign(phase="curve")
    search = runs.head(3).assign(phase="search", status="failed", gamma=np.nan, seed=np.nan)
    whole = TransferReport.from_runs(pd.concat([runs, search], ignore_index=True))
    alone = TransferReport.from_runs(runs)
    pd.testing.assert_frame_equal(whole.optima, alone.optima)
    assert len(whole.trials) == len(runs) + 3


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"test_error": np.nan, "val_error": np.nan}, "no complete run has a positive error."),
    ],
)
def test_a_cell_without_an_error_does_not_keep_the_others_from_theirs(
    simulate, shapes, tmp_path, changes, warning
) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1), "b": shapes["peak"](0.03, 0.1)})
    runs.loc[(runs["model"] == "b") & (runs["gamma"] > 0), list(changes)] = list(changes.values())
    report = TransferReport.from_runs(runs)
    assert report.optima["model"].tolist() == ["a"]
    assert f"b on qm9/homo (300 samples): {warning}" in report.warnings
    write_report(report, tmp_path)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("m", "No cell has a finished"),
        ("bm", "One cell has a finished"),
        ("bmz", "both cells (one more with too few usable runs)"),
    ],
)
def test_a_cell_where_every_gamma_diverged_is_answered(
    simulate, shapes, tmp_path, cells, said
) -> None:
    runs = simulate({name: shapes["peak"](0.03, 0.1) for name in cells}).assign(unit="eV")
    bad = (runs["model"] == "m") & (runs["gamma"] > 0)
    runs.loc[bad, ["status", "test_error", "val_error"]] = ["diverged", np.inf, np.nan]
    report = TransferReport.from_runs(runs)
    answer = report.best_gamma("m", "qm9/homo")
    assert (answer.decision, answer.recommended, answer.seeds, answer.bound) == (
        LEAVE_OFF, 0.0, 4, pytest.approx(np.nan, nan_ok=True)
    )  # fmt: skip
    control = runs.loc[(runs["model"] == "m") & (runs["gamma"] == 0), "test_error"]
    assert answer.error == pytest.approx(np.exp(np.log(control).mean()))
    assert "training diverged at every measured γ above 0 (0.001 to 1)." in cell_sentence(answer)
    lines = summary_lines(json.loads(json.dumps(report.summary, allow_nan=False)), 0.02)
    shown = lines[1 : len(cells) + 1]
    assert [line[0] for line in shown] == list(cells)
    assert "leave mixing off" in shown[cells.index("m")]
    assert said in "\n".join(lines)
    assert "- m: a γ is too high (γ = 0.001: training diverges; next γ to try: 0.0001)." in lines
    assert not report.warnings or "m on" not in "".join(report.warnings)
    ElementTree.parse(write_report(report, tmp_path)["curves.svg"])
