import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import RunTableError, TransferReport
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
    with pytest.raises(RunTableError) as caught:
        TransferReport.from_runs(runs)
    for part in (
        "gamma: must be a number, but got 'strong'",
        "depth: must be a whole",
        "2.5",
        "test_error: must be finite and not negative, but got -1.0",
        "got done",
    ):
        assert part in str(caught.value)


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
        ({"status": "diverged"}, "no run at γ > 0 is complete, and some diverged."),
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
