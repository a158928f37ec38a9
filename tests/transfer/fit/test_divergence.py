"""The γ at which training diverges bound the range, and a diverging control gives no gain."""

import pytest

from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.fit.divergence import diverges


@pytest.mark.parametrize(
    ("diverged", "runs", "expected"),
    [
        (1, 1, True),
        (1, 2, True),
        (1, 3, False),
        (1, 4, False),
        (2, 5, True),
        (2, 8, False),
        (3, 8, True),
    ],
)
def test_rule(diverged, runs, expected):
    assert diverges(diverged, runs) == expected


@pytest.mark.parametrize(
    ("gamma", "diverged", "decision"),
    [(0.0, 1, "use"), (0.0, 3, "undecided"), (0.03, 1, "use"), (0.03, 2, "use")],
)
def test_diverged_runs_of_five_seeds(simulate, shapes, gamma, diverged, decision):
    runs = simulate({"a": shapes["peak"](0.03, 0.1)}, seeds=5, noise=0.002)
    lost = (runs["gamma"] == gamma) & (runs["seed"] < diverged)
    runs.loc[lost, "status"] = "diverged"
    (answer,) = TransferReport.from_runs(runs).answers
    assert answer.decision == decision
    assert (answer.recommended == pytest.approx(gamma, rel=0.3)) == (diverged == 1 and gamma > 0)
    notes = " ".join(answer.notes)
    if gamma == 0 and diverged > 1:
        assert "runs at γ = 0 diverged, so no gain can be given (3 of 5)" in notes
        assert "there is no γ = 0 run" not in notes
