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
            ["a γ is too high (γ = 100: the error is 20.0 % above that of γ = 0; next γ to try: "
             "10)."],
        ),
        (
            CONTROL,
            [Strength(1, 0.4, rank=2), Strength(100, 0.9, rank=1)],
            ["a γ is too high (γ = 1: the error is 40.0 % above that of γ = 0 and the embeddings "
             "have collapsed to an effective rank of 2 from 8; next γ to try: 0.1)."],
        ),
        (
            CONTROL,
            [Strength(1, -0.1), Strength(10, diverged=True)],
            ["a γ is too high (γ = 10: training diverges; next γ to try: 3)."],
        ),
        (
            Strength(0, diverged=True),
            [Strength(1, diverged=True), Strength(10, diverged=True)],
            ["training diverges without mixing, too, so try a lower learning rate."],
        ),
        (
            CONTROL,
            [Strength(1e-4, 0.3), Strength(0.1, 0.4)],
            ["a γ is too high (γ = 0.0001: the error is 30.0 % above that of γ = 0; leave mixing "
             "off)."],
        ),
        # No sign if the change is within its uncertainty, or if a higher γ is better.
        (CONTROL, [Strength(1, -0.1), Strength(10, 0.04, doubt=0.05)], []),
        (CONTROL, [Strength(1, 0.2), Strength(10, -0.1)], []),
        # A large change that noise may explain is no missing effect.
        (CONTROL, [Strength(1, 0.01), Strength(100, 0.3, doubt=0.4)], []),
        (
            CONTROL,
            [Strength(0.001, 0.002, kd_ratio=1e-4), Strength(0.01, -0.004, kd_ratio=1e-3)],
            ["no γ has an effect, since the mixing term is weak (at most 0.1 % of the prediction "
             "loss, up to γ = 0.01; next γ to try: 1)."],
        ),
        (
            Strength(0, 0, similarity=0.997),
            [Strength(0.1, 0.002, kd_ratio=1e-4)],
            ["no γ has an effect, and the layers are alike without mixing, so try a deeper network "
             "(γ up to 0.1, CKA 0.997; next γ to try: 1)."],
        ),
        (
            CONTROL,
            [Strength(0.1, 0.002, kd_ratio=0.2)],
            [],
        ),
        (
            CONTROL,
            [Strength(0.1, -0.1, kd_ratio=0.2), Strength(1, -0.05, kd_ratio=2.5)],
            ["the mixing term outweighs the prediction loss, which makes training unstable (2.5 "
             "times at γ = 1; next γ to try: 0.04)."],
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
    assert said == "a γ is too high (γ = 10: training diverges; next γ to try: 3)."


def test_changes_are_within_seeds():
    """Seeds with different levels, both 20 % worse at γ = 10: only paired differences show it."""
    table = runs([
        (0, 1, 1.0, "complete"), (10, 1, 1.2, "complete"),
        (0, 2, 3.0, "complete"), (10, 2, 3.6, "complete"), (100, 1, None, "diverged"),
    ])  # fmt: skip
    (said,) = study_signs(table)
    assert said.startswith("pamnet on qm9/mu (depth 2, 300 samples): a γ is too high (γ = 10: ")
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
