"""The compared runs of a cell."""

import pytest

from lkm_tune.app.shown_runs import side_by_side
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, TrialSpec


def point(gamma, seed, error, state="complete"):
    spec = TrialSpec("s", Cell("pamnet", "qm9/mu", 8), "curve", 0, {"gamma": gamma}, seed, 4)
    return TrialRecord(spec, state, summary={"val_error": error})


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (
            [point(0, 1, 3), point(0.1, 1, 2), point(0.1, 2, 2), point(1, 1, 1.5), point(1, 2, 9),
             point(10, 2, 8), point(100, 1, None, "diverged")],
            {"γ = 0": (0, 1), "γ = 0.1, best": (0.1, 1), "γ = 10, highest": (10, 2)},
        ),
        ([point(0, 2, 3), point(1, 2, 2)], {"γ = 0": (0, 2), "γ = 1, best": (1, 2)}),
        ([point(0, 2, 3), point(0, 1, 3)], {"γ = 0": (0, 1)}),
    ],
)  # fmt: skip
def test_side_by_side(points, expected):
    found = side_by_side(points)
    assert {name: (spec.settings["gamma"], spec.seed) for name, spec in found.items()} == expected


def test_without_a_control():
    with pytest.raises(ValueError, match="a complete curve run at γ = 0"):
        side_by_side([point(0, 1, 1, "running"), point(1, 1, 1)])
