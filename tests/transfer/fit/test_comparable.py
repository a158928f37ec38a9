"""Runs of equal protocol share a cell, each once, from any study."""

import pandas as pd
import pytest

from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.fit.analysis import fit_cells
from lkm_tune.transfer.fit.cells import CellKey, cell_names
from lkm_tune.transfer.fit.run_table import check_runs


def fitted(runs):
    return fit_cells(check_runs(runs), seed=0)


@pytest.fixture
def runs(simulate, shapes):
    return simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=3)


def told(runs, protocol, study="study"):
    return runs.assign(protocol=protocol, protocol_text=f"epochs {protocol}; lr 1", study=study)


def test_the_same_runs_under_two_names_count_once(runs) -> None:
    """The protocol identifies a run; without a protocol, its errors do."""
    (alone,) = fitted(runs)
    # The second machine rounds differently; the equal protocol marks the same run.
    rounded = told(runs.assign(test_error=runs["test_error"] * 1.001), "8", "z")
    for twice, said in (
        (pd.concat([runs, runs.assign(study="again")]), "and count once (24 records too many)"),
        (
            pd.concat([told(runs, "8"), told(runs, "8", "again")]),
            "and count once (24 records too many)",
        ),
        (pd.concat([told(runs, "8"), rounded]), "(24 records too many, 24 with another result)"),
    ):
        (cell,) = fitted(twice)
        assert cell.seeds == 3
        assert cell.runs.studies == tuple(sorted(set(twice["study"])))
        assert "32" not in "".join(cell.runs.notes)
        assert said in "".join(cell.runs.notes)
    assert alone.seeds == 3


def test_seeds_of_equal_protocol_add_up(runs, simulate, shapes) -> None:
    more = simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=5, random=1)
    other = more[more["seed"] >= 3]
    (cell,) = fitted(pd.concat([told(runs, "8"), told(other, "8", "other")]))
    assert cell.seeds == 5
    # γ of another study with the same seed join the curve of that seed.
    half = runs["gamma"].isin([0.0, 0.03])
    (cell,) = fitted(pd.concat([told(runs[half], "8"), told(runs[~half], "8", "other")]))
    assert cell.seeds == 3


def test_other_protocols_are_other_cells_compared_but_not_pooled(runs) -> None:
    table = pd.concat([told(runs, "2"), told(runs, "8")])
    report = TransferReport.from_runs(table)
    assert [answer.protocol for answer in report.answers] == ["2", "8"]
    assert [answer.seeds for answer in report.answers] == [3, 3]
    assert len(report.regret) == 2
    assert report.answers[0].name == "a on qm9/homo (depth 4, 300 samples) [epochs 2]"
    assert report.answers[1].name == "a on qm9/homo (depth 4, 300 samples) [epochs 8]"


def test_names_say_what_differs_only_where_they_would_read_alike(runs) -> None:
    table = check_runs(pd.concat([told(runs, "2"), told(runs, "8").assign(n_train=500)]))
    assert list(cell_names(table).values()) == [
        "a on qm9/homo (depth 4, 300 samples)", "a on qm9/homo (depth 4, 500 samples)",
    ]  # fmt: skip
    silent = check_runs(pd.concat([told(runs, "ab"), told(runs, "cd")]).assign(protocol_text=""))
    assert cell_names(silent)[CellKey("a", "qm9/homo", 4, 300, "cd")].endswith("samples) [cd]")


def test_the_control_at_its_own_settings_is_that_of_the_same_study(runs) -> None:
    """The control has other settings and another protocol; the study determines the cell."""
    table = []
    for epochs, factor in (("2", 0.9), ("8", 0.7)):
        curve = told(runs, epochs, f"s{epochs}").assign(phase="curve")
        control = curve[curve["gamma"] == 0].assign(phase="control_curve", protocol="own" + epochs)
        control["test_error"] *= factor
        table += [curve, control]
    two, eight = TransferReport.from_runs(pd.concat(table)).answers
    gain = two.gain_own_control - eight.gain_own_control
    assert gain == pytest.approx((1 - two.gain_own_control) * (0.9 / 0.7 - 1), abs=1e-6)
