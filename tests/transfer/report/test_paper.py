"""Comparison with published figures: their cells, and the words for an interval."""

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.report.paper import against_paper

GAMMAS = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
FACTORS = (1.0, 0.95, 0.902, 0.94, 1.0, 1.2)
"""Log errors by γ: a gain of 9.8 % at γ = 0.1, a rise of 20 % at γ = 100."""


@pytest.fixture
def report():
    draw = np.random.default_rng(0)
    rows = [
        {
            "study": "s", "model": "pamnet", "task": task, "depth": depth, "n_train": 500,
            "gamma": gamma, "seed": seed, "status": "complete", "phase": "curve",
            "val_error": (error := factor * draw.normal(1, 0.002)), "test_error": error,
        }
        for task, depth in (("qm9/homo", 6), ("rmd17/ethanol", 3), ("cora", 2))
        for seed in range(1, 5)
        for gamma, factor in zip(GAMMAS, FACTORS, strict=True)
    ]  # fmt: skip
    return TransferReport.from_runs(pd.DataFrame(rows))


def test_published_figures_beside_ours(report):
    found = against_paper(report).set_index(["claim", "task"])
    told = found["agreement"].to_dict()
    assert told == {
        ("gain on QM9, the most of twelve targets", "qm9/homo"): "as much as the most published",
        (
            "gain in the energies of MD17, 1,000 samples, the most of its molecules",
            "rmd17/ethanol",
        ): "less than the most published",
        ("gain at 2 layers", "cora"): "more than published",
        ("gain at 6 layers", "qm9/homo"): "more than published",
        **{
            ("rise of the error at γ = 100", task): "more than published"
            for task in ("qm9/homo", "rmd17/ethanol", "cora")
        },
    }
    gain = found.loc["gain at 2 layers"].iloc[0]
    assert gain["ours"] == pytest.approx(0.1, abs=0.01)
    assert gain["low"] < gain["ours"] < gain["high"]
    rise = found.loc["rise of the error at γ = 100"]
    assert rise["ours"].to_numpy() == pytest.approx([0.2] * 3, abs=0.01)
    assert (rise["low"] > 0.15).all() and (rise["high"] < 0.25).all()


def test_a_noisy_cell_without_a_gain_does_not_contradict_the_paper():
    """γ = 0 has the lowest error, but a gain of 5.71 % at another γ is not excluded."""
    draw = np.random.default_rng(3)
    rows = [
        {
            "study": "s", "model": "pamnet", "task": "qm9/homo", "depth": 2, "n_train": 500,
            "gamma": gamma, "seed": seed, "status": "complete", "phase": "curve",
            "val_error": (error := factor * draw.normal(1, 0.06)), "test_error": error,
        }
        for seed in range(1, 4)
        for gamma, factor in zip(GAMMAS, (1.0, 1.01, 1.01, 1.01, 1.02, 1.03), strict=True)
    ]  # fmt: skip
    report = TransferReport.from_runs(pd.DataFrame(rows))
    assert [answer.recommended for answer in report.answers] == [0.0]
    found = against_paper(report).set_index("claim").loc["gain at 2 layers"]
    assert found["ours"] == 0 and found["high"] > 0.0571
    assert found["agreement"] == "the published figure is in the interval"


def test_what_was_not_measured_is_left_out(report):
    runs = report.trials
    without = TransferReport.from_runs(runs[(runs["gamma"] < 100) & (runs["task"] == "cora")])
    assert list(against_paper(without)["claim"]) == ["gain at 2 layers"]
