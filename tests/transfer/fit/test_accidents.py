"""Runs that are left out because noise does not explain them."""

import numpy as np
import pytest

from lkm_tune.transfer import TransferReport
from lkm_tune.transfer.fit.accidents import accidents


def table(seeds: int, noise: float = 0.02, random: int = 0) -> np.ndarray:
    """Log errors of seeds at eight γ, each seed with another level."""
    rng = np.random.default_rng(random)
    effect = np.array([0, 0, -0.05, -0.1, -0.05, 0, 0.3, 1.5])
    return rng.normal(0, noise, (seeds, 8)) + rng.normal(0, 0.1, (seeds, 1)) + effect


@pytest.mark.parametrize(
    ("seeds", "off", "by", "found"),
    [
        (8, [(2, 3)], 0.26, True),
        (8, [(2, 3)], -0.26, True),
        (8, [(2, 3), (5, 3)], 0.26, True),
        (3, [(0, 7)], 0.26, True),
        (3, [(0, 7)], -5.0, True),
        # Within noise.
        (8, [(2, 3)], 0.02, False),
        # If more than a quarter of the runs of one γ are far off, γ is the cause.
        (8, [(2, 3), (5, 3), (6, 3)], 0.26, False),
        # Likewise for one seed.
        (8, [(2, 3), (2, 5)], 0.26, True),
        (8, [(2, 3), (2, 5), (2, 6)], 0.26, False),
        # Too few runs to know the noise.
        (2, [(0, 7)], 0.26, False),
    ],
)
def test_accidents(seeds, off, by, found) -> None:
    log_error = table(seeds)
    for place in off:
        log_error[place] += by
    expected = set(off) if found else set()
    assert set(map(tuple, np.argwhere(accidents(log_error)).tolist())) == expected


def test_missing_runs_are_no_accidents_and_hide_none() -> None:
    log_error = table(8)
    log_error[1, 2] = log_error[4, 4] = np.nan
    log_error[2, 3] += 0.26
    assert np.argwhere(accidents(log_error)).tolist() == [[2, 3]]


def test_noise_alone_is_hardly_ever_an_accident() -> None:
    for seeds in (3, 8):
        share = np.mean([accidents(table(seeds, random=n)) for n in range(200)])
        assert share < 0.003


def test_a_report_says_which_runs_it_left_out(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1), "b": shapes["flat"]()}, seeds=6)
    spoilt = (runs["model"] == "a") & (runs["gamma"] == 0.01) & (runs["seed"] == 2)
    before = TransferReport.from_runs(runs).best_gamma("a", "qm9/homo")
    runs.loc[spoilt, ["val_error", "test_error"]] *= 1.3
    report = TransferReport.from_runs(runs)
    after = report.best_gamma("a", "qm9/homo")
    (said,) = [note for note in report.warnings if "more than noise explains" in note]
    assert said.endswith("explains are left out (γ = 0.01, seed 2).")
    assert after.runs == before.runs - 1
    assert after.noise == pytest.approx(before.noise, rel=0.2)
