"""Signs of trouble: each row has the figures of a cell and the expected sentences."""

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer.fit.trouble import Strength, signs_of_trouble, study_signs

CONTROL = Strength(0.0, change=0.0, similarity=0.6, rank=8.0)


@pytest.mark.parametrize(
    ("control", "strengths", "expected"),
    [
        (CONTROL, [], []),
        (CONTROL, [Strength(0.01, -0.05, kd_ratio=0.02), Strength(1, -0.03, kd_ratio=0.3)], []),
        (
            CONTROL,
            [Strength(1, -0.05), Strength(100, 0.2, rank=7)],
            ["γ = 100 is too high: the error is 20.0 % above that of γ = 0. Next γ to try: 10."],
        ),
        (
            CONTROL,
            [Strength(1, 0.4, rank=2), Strength(100, 0.9, rank=1)],
            ["γ = 1 is too high: the error is 40.0 % above that of γ = 0 and the embeddings have "
             "collapsed (effective rank 2 against 8). Next γ to try: 0.1."],
        ),
        (
            CONTROL,
            [Strength(1, -0.1), Strength(10, diverged=True)],
            ["γ = 10 is too high: training diverges. Next γ to try: 3."],
        ),
        (
            Strength(0, diverged=True),
            [Strength(1, diverged=True), Strength(10, diverged=True)],
            ["Training diverges without mixing, too (γ = 0): try a lower learning rate."],
        ),
        (
            CONTROL,
            [Strength(1e-4, 0.3), Strength(0.1, 0.4)],
            ["γ = 0.0001 is too high: the error is 30.0 % above that of γ = 0. Leave mixing off."],
        ),
        # No sign if the change is within its uncertainty, or if a higher γ is better.
        (CONTROL, [Strength(1, -0.1), Strength(10, 0.04, doubt=0.05)], []),
        (CONTROL, [Strength(1, 0.2), Strength(10, -0.1)], []),
        # A large change that noise may explain is no missing effect.
        (CONTROL, [Strength(1, 0.01), Strength(100, 0.3, doubt=0.4)], []),
        (
            CONTROL,
            [Strength(0.001, 0.002, kd_ratio=1e-4), Strength(0.01, -0.004, kd_ratio=1e-3)],
            ["No γ up to 0.01 has an effect: no error differs clearly from that of γ = 0, since "
             "the mixing term is at most 0.1 % of the prediction loss. Next γ to try: 1."],
        ),
        (
            Strength(0, 0, similarity=0.997),
            [Strength(0.1, 0.002, kd_ratio=1e-4)],
            ["No γ up to 0.1 has an effect: no error differs clearly from that of γ = 0, and "
             "the layers are alike without mixing (CKA 0.997). Try a deeper network; next γ "
             "to try: 1."],
        ),
        (
            CONTROL,
            [Strength(0.1, 0.002, kd_ratio=0.2)],
            [],
        ),
        (
            CONTROL,
            [Strength(0.1, -0.1, kd_ratio=0.2), Strength(1, -0.05, kd_ratio=2.5)],
            ["At γ = 1 the mixing term is 2.5 times the prediction loss, which makes training "
             "unstable. Next γ to try: 0.04."],
        ),
    ],
)  # fmt: skip
def test_signs(control, strengths, expected):
    for order in (strengths, strengths[::-1]):
        said = signs_of_trouble(control, order)
        assert [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in said] == expected


def test_no_missing_effect_where_the_report_shows_one():
    strengths = [Strength(0.01, -0.004, kd_ratio=1e-3)]
    assert signs_of_trouble(CONTROL, strengths)
    assert not signs_of_trouble(CONTROL, strengths, effect_told=True)


def runs(rows):
    """Curve runs of one cell from (γ, seed, test error, status)."""
    table = pd.DataFrame(rows, columns=["gamma", "seed", "test_error", "status"])
    fixed = {
        "protocol": "",
        "protocol_text": "",
        "study": "s",
        "model": "pamnet",
        "task": "qm9/mu",
        "depth": 2.0,
        "n_train": 300,
    }
    return table.assign(**fixed, phase="curve", val_error=1.0, kd_ratio=0.1)


def test_harm_that_the_report_tells_is_no_sign():
    strengths = [Strength(0.1, 0.2), Strength(1, 0.4), Strength(10, diverged=True)]
    (said,) = signs_of_trouble(CONTROL, strengths, harm_told=True)
    assert said == "γ = 10 is too high: training diverges. Next γ to try: 3."


def test_changes_are_within_seeds():
    """Seeds with different levels, both 20 % worse at γ = 10: only paired differences show it."""
    table = runs([
        (0, 1, 1.0, "complete"), (10, 1, 1.2, "complete"),
        (0, 2, 3.0, "complete"), (10, 2, 3.6, "complete"), (100, 1, None, "diverged"),
    ])  # fmt: skip
    (said,) = study_signs(table)
    assert said.startswith("pamnet on qm9/mu (depth 2, 300 samples): γ = 10 is too high: the error")
    assert "20.0\N{NO-BREAK SPACE}% above" in said


def test_one_seed_says_little_and_no_control_nothing():
    assert study_signs(runs([(0, 1, 1.0, "complete"), (10, 1, 1.2, "complete")]))
    small = runs([(0, 1, 1.0, "complete"), (1, 1, 0.9, "complete"), (10, 1, 1.04, "complete")])
    assert study_signs(small) == ()
    assert study_signs(runs([(10, 1, 1.2, "complete")])) == ()


def test_two_seeds_of_a_flat_cell_rarely_blame_gamma():
    """240 flat cells of two seeds at 5 % noise: two standard errors called 23 too high."""
    rng = np.random.default_rng(0)
    gammas, blamed = (0, 0.01, 0.1, 1.0, 10.0), 0
    for _ in range(240):
        errors = np.exp(rng.normal(0, 0.05, (2, len(gammas))))
        table = [
            (gamma, seed, errors[seed, place], "complete")
            for seed in (0, 1)
            for place, gamma in enumerate(gammas)
        ]
        blamed += any("too high" in said for said in study_signs(runs(table)))
    assert blamed <= 12
