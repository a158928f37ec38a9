"""The judgement of a look: open pairs, γ that get seeds, half-steps, and its error rate."""

import math
import random

import pytest

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.search.judgement import (
    half_steps,
    judge_curves,
    most_half_steps,
    rate_at_stop,
    spent,
    worth_seeds,
)
from lkm_tune.search.looks import Judgement, Look, LookPlan, look_sizes
from lkm_tune.study import Cell, CurvePlan, Study, TrialSpec
from lkm_tune.transfer.fit.open_pairs import CellState

GAMMAS = (0.0, 0.001, 0.01, 0.1, 1.0)
SIZES = (3, 5, 8, 12)


def state(worse, recommended):
    return CellState(recommended, 3, worse, 0.1, False)


@pytest.mark.parametrize(
    ("worse", "recommended", "elsewhere", "kept"),
    [
        # The control always gets seeds; a γ that is surely worse gets none.
        ({0: 1.0, 0.01: 0.2, 0.1: 0.3, 1: 0.5, 10: 0.995}, 0.01, set(), (0, 0.01, 0.1, 1)),
        # A neighbour of the best gets seeds, and a γ that another cell recommends.
        ({0: 0.1, 0.01: 1.0, 0.1: 1.0, 1: 1.0}, 0, set(), (0, 0.01)),
        ({0: 0.1, 0.01: 1.0, 0.1: 1.0, 1: 1.0}, 0, {1.0}, (0, 0.01, 1)),
        # A recommended γ between two measured γ counts for the nearer one.
        ({0: 1.0, 0.1: 0.0, 1: 1.0, 10: 1.0, 100: 1.0}, 0.3, set(), (0, 0.1, 1)),
        ({0: math.nan, 0.1: math.nan, 1: math.nan, 10: math.nan}, 0.1, set(), (0, 0.1, 1, 10)),
    ],
)
def test_which_gammas_get_more_seeds(worse, recommended, elsewhere, kept):
    assert worth_seeds(state(worse, recommended), elsewhere) == kept


@pytest.mark.parametrize(
    ("worse", "between"),
    [
        ({0: 0.0, 0.01: 0.5, 0.1: 0.2, 1: 0.9}, (0.0316, 0.316)),
        ({0: 0.0, 0.01: 0.1, 0.1: 0.2, 1: 0.9}, (0.0316,)),
        ({0: 0.0, 0.01: 0.5, 0.1: 0.4, 1: 0.1}, (0.316,)),
        ({0: 0.0, 0.01: 0.5, 0.0316: 0.1, 0.1: 0.5}, (0.0178, 0.0562)),
        ({0: 0.0, 0.01: 0.5, 0.0178: 0.1, 0.0316: 0.5}, ()),
        ({0: 0.0, 0.1: 0.4}, ()),
        ({0: 0.0}, ()),
    ],
)
def test_half_steps_lie_on_both_sides_of_the_best_gamma_above_0(worse, between):
    assert half_steps(state(worse, 0.0)) == between


@pytest.mark.parametrize(
    ("gammas", "most_seeds", "most"),
    [
        # Three looks add at most two γ each; a decade has place for three.
        ((0, 0.01, 0.1, 1), 12, 6),
        ((0, 0.01, 0.1), 12, 3),
        ((0, 0.01, 0.02), 12, 0),
        ((0, 0.01, 1), 12, 6),
        ((0, 0.01, 1), 40, 7),
        ((0, 0.01, 0.1, 1), 3, 0),
    ],
)
def test_looks_add_no_more_gammas_than_check_says(gammas, most_seeds, most):
    study = Study(
        name="s",
        models={"m": {}},
        tasks=("t",),
        curve=CurvePlan(gammas=gammas, seeds=3, max_seeds=most_seeds),
    )
    assert most_half_steps(study) == most
    luck = random.Random(0)
    for _ in range(100):
        measured = set(gammas)
        for _ in look_sizes(study)[:-1]:
            measured |= set(half_steps(state({gamma: luck.random() for gamma in measured}, 0.0)))
        assert len(measured - set(gammas)) <= most


def test_all_looks_together_spend_the_error_and_the_first_ones_little():
    parts = [spent(LookPlan(number, SIZES, 0.02, True)) for number in range(4)]
    assert sum(parts) == pytest.approx(0.05, abs=1e-12)
    assert parts == sorted(parts)
    # 2 − 2Φ(1.96 / √(3/12)) = 2 − 2Φ(3.92)
    assert parts[0] == pytest.approx(8.857e-5, rel=1e-3)


@pytest.mark.parametrize(
    ("open_pairs", "number"), [((), None), ((0,), 0), ((2,), 1), ((2, 0), 1), ((2, 1, 1), 3)]
)
def test_the_report_judges_as_the_look_at_which_the_study_stopped(open_pairs, number):
    looks = [
        Look(size, following, Judgement(count))
        for size, following, count in zip(SIZES, SIZES[1:], open_pairs, strict=False)
    ]
    study = Study("s", {"pamnet": {}}, ("qm9/homo",), curve=CurvePlan(max_seeds=12))
    assert rate_at_stop(study, looks) == 0.05
    kept = Study("s", {"pamnet": {}}, ("qm9/homo",), curve=CurvePlan(max_seeds=12, guarantee=True))
    expected = 0.05 if number is None else spent(LookPlan(number, SIZES, 0.02, True))
    assert rate_at_stop(kept, looks) == pytest.approx(expected)


def points(curves, seeds, noise):
    """Ended points of cells with these log errors at `GAMMAS`; seeds have levels."""
    draw = random.Random(0)
    records = []
    for model, log_errors in curves.items():
        for seed in range(1, seeds + 1):
            level = draw.gauss(0, 0.05)
            for number, (gamma, log_error) in enumerate(zip(GAMMAS, log_errors, strict=True)):
                cell = Cell(model, "qm9/homo", 100)
                spec = TrialSpec("s", cell, "curve", number, {"gamma": gamma}, seed, 2)
                error = math.exp(log_error + level + draw.gauss(0, noise))
                summary = {"val_error": error, "test_error": error}
                records.append(TrialRecord(spec, "complete", summary=summary))
    return records


ALIKE = {"pamnet": (0, -0.05, -0.1, 0, 0.5), "mxmnet": (0, -0.05, -0.1, 0, 0.4)}
APART = {"pamnet": (0, -0.3, -0.1, 0.2, 0.5), "mxmnet": (0, 0.3, 0.3, 0.1, -0.3)}
FLAT = {"pamnet": (0, 0, -0.02, 0, 2), "mxmnet": (0, 0, -0.02, 0, 2)}


@pytest.mark.parametrize("curves", [ALIKE, APART], ids=["alike", "apart"])
def test_clear_pairs_are_decided(curves):
    plan = LookPlan(2, SIZES, 0.1, False)
    assert judge_curves(points(curves, 8, 0.005), plan) == Judgement(0, {}, {})


def test_the_guarantee_decides_later():
    runs = points(ALIKE, 3, 0.02)
    loose, strict = (judge_curves(runs, LookPlan(0, SIZES, 0.1, kept)) for kept in (False, True))
    assert loose.open_pairs < strict.open_pairs == 2


def test_open_cells_get_seeds_but_not_where_a_gamma_is_surely_worse():
    found = judge_curves(points(FLAT, 3, 0.02), LookPlan(0, SIZES, 0.01, False))
    assert found.open_pairs == 2
    assert set(found.gammas) == {"pamnet-qm9_homo-100", "mxmnet-qm9_homo-100"}
    for gammas in found.gammas.values():
        assert 0.0 in gammas and 0.01 in gammas and 1.0 not in gammas


def test_one_cell_alone_is_open_until_its_recommended_gamma_is_within_the_margin():
    alone = {"pamnet": ALIKE["pamnet"]}
    quiet, noisy = points(alone, 8, 0.005), points(alone, 3, 0.05)
    plan = LookPlan(0, SIZES, 0.1, False)
    assert (judge_curves(quiet, plan).open_pairs, judge_curves(noisy, plan).open_pairs) == (0, 1)


def test_half_steps_where_more_seeds_at_the_measured_gammas_would_not_decide():
    found = judge_curves(points(ALIKE, 8, 0.002), LookPlan(2, SIZES, 0.01, False))
    assert found.open_pairs == 2
    assert set(found.half_steps.values()) == {(0.00316, 0.0316)}
