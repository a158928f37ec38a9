"""What other cells claim, and how long a cell that knows better believes it."""

import math

import numpy as np
import pytest

from lkm_tune.ledger.ledger import Record
from lkm_tune.search.prior import Tried, claims, in_unit_cube, log_errors, next_candidate
from lkm_tune.study import Cell, Choice, FloatRange, IntRange, TrialSpec

SPACE = {
    "gamma": FloatRange(type="float", low=1e-4, high=100, log=True),
    "depth": IntRange(type="int", low=2, high=6),
    "way": Choice(type="choice", values=("a", "b")),
}
PLACES = np.linspace(0, 1, 21)[:, None]
NONE = Tried(np.zeros((0, 1)), np.zeros(0), np.zeros(0))


def trial(gamma, error, state="complete"):
    spec = TrialSpec("s", Cell("gin", "qm9/mu", 300), "search", 0, {"gamma": gamma}, 0, 9)
    return Record(spec, state, summary={"val_error": error})


def settings(gamma=0.1, depth=4, way="a"):
    return {"gamma": gamma, "depth": depth, "way": way}


def test_settings_lie_in_the_unit_cube():
    points = in_unit_cube([settings(), settings(1e-4, 2, "b"), settings(100, 6)], SPACE)
    np.testing.assert_allclose(points[:, :2], [[0.5, 0.5], [0, 0], [1, 1]], atol=1e-12)
    # Two values of a choice are as far apart as the ends of a range.
    assert np.isclose(np.linalg.norm(points[0, 2:] - points[1, 2:]), 1)


@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_a_stopped_trial_is_no_better_than_half_of_the_complete_and_none_beats_a_diverged_one(unit):
    ended = [("complete", 1.0), ("complete", 2.0), ("complete", 3.0), ("stopped", 1.5),
             ("stopped", 9.0)]  # fmt: skip
    records = [trial(1, unit * error, state) for state, error in ended]
    found = np.exp(log_errors([*records, trial(1, None, "diverged")])) / unit
    np.testing.assert_allclose(found[:5], [1, 2, 3, 2, 9])
    assert 9 < found[5] < 15
    assert np.isfinite(log_errors([trial(1, None, "diverged")])).all()


def test_claims_are_the_mean_of_the_cells_that_can_say_weighted_by_kinship():
    gammas = np.geomspace(1e-4, 100, 25)
    space = {"gamma": SPACE["gamma"]}
    valley = {at: [trial(g, math.exp(abs(math.log10(g / at)) / 9)) for g in gammas]
              for at in (1e-2, 10.0)}  # fmt: skip
    candidates = [{"gamma": 1e-2}, {"gamma": 10.0}]
    few = valley[10.0][:2]
    for weights, nearer in (((3, 1), 0), ((1, 3), 1)):
        kin = [*zip(weights, valley.values(), strict=True), (99, few)]
        found = claims(kin, candidates, space)
        assert found.argmin() == nearer
        assert 0 < found.min() < found.max() < 0.3
    assert claims([(1, few)], candidates, space).tolist() == [0, 0]


def at(*tried, claim):
    """Trials of a cell whose error is lowest at 0.8."""
    x = np.array(tried)
    return Tried(x[:, None], claim(x), 0.3 * (x - 0.8) ** 2)


def misled(x):
    return 0.3 * np.abs(x - 0.2)


def chosen(tried):
    return PLACES[next_candidate(PLACES, misled(PLACES[:, 0]), tried, NONE), 0]


def test_a_claim_leads_until_the_cell_shows_otherwise():
    assert chosen(NONE) == pytest.approx(0.2)
    assert chosen(at(0.2, claim=misled)) < 0.5
    # Where the claim is wrong, a handful of trials is enough to leave it.
    assert chosen(at(0.2, 0.25, 0.4, 0.6, claim=misled)) > 0.6


@pytest.mark.parametrize("tried", [NONE, at(0.5, claim=np.zeros_like)])
def test_what_is_running_is_not_tried_beside(tried):
    found = []
    for _ in range(3):
        now = Tried(np.array(found).reshape(-1, 1), np.zeros(len(found)), np.zeros(len(found)))
        found.append(float(PLACES[next_candidate(PLACES, np.zeros(len(PLACES)), tried, now), 0]))
    assert np.diff(sorted(found)).min() > 0.2


def test_the_same_trials_always_give_the_same_start():
    tried = at(0.1, 0.5, claim=np.zeros_like)
    claimed = np.zeros(len(PLACES))
    assert len({next_candidate(PLACES, claimed, tried, NONE) for _ in range(3)}) == 1
