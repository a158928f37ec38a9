"""Looks at the results: the plan of a look depends only on the ended points."""

import random
from dataclasses import replace

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.looks import Judgement, Looks
from lkm_tune.search.planner import Planner
from lkm_tune.study import GAMMA, CurvePlan, SearchPlan, Study, TrainingPlan

STUDY = Study(
    name="s",
    models={"pamnet": {}, "mxmnet": {}},
    tasks=("qm9/homo",),
    space={"gamma": GAMMA},
    search=SearchPlan(trials=0),
    curve=CurvePlan(gammas=(0.0, 0.1, 1.0), seeds=2, max_seeds=8),
    training=TrainingPlan(epochs=2),
)
ONE, OTHER = (cell.key for cell in STUDY.cells)


def with_curve(**changes):
    return replace(STUDY, curve=replace(STUDY.curve, **changes))


@pytest.mark.parametrize(
    ("curve", "sizes"),
    [
        ({}, (2, 3, 5, 8)),
        ({"seeds": 3, "max_seeds": 12}, (3, 5, 8, 12)),
        ({"seeds": 4, "max_seeds": 100}, (4, 5, 8, 12, 18, 27, 40, 100)),
        ({"seeds": 8}, (8,)),
        ({"until": "seeds"}, (2,)),
        ({"seeds": (5, 9)}, (2,)),
        ({"seeds": (5, 9), "until": "decided", "max_seeds": 3}, (2, 3)),
    ],
)
def test_at_how_many_seeds_the_results_are_looked_at(curve, sizes):
    assert Looks(with_curve(**curve), judge=None).sizes == sizes


class Judge:
    """Gives prepared judgements, and records the points of each look."""

    def __init__(self, *judgements):
        self.judgements = judgements
        self.seen = []

    def __call__(self, records, plan):
        self.seen.append(
            {(r.spec.cell.key, r.spec.settings["gamma"], r.spec.seed) for r in records}
        )
        return self.judgements[plan.number]


# A half-step joins one curve after the first look; the other curve is decided, then open again.
PLAY = (
    Judgement(2, {ONE: (0.0, 0.1, 1.0)}, {ONE: (0.3,)}),
    Judgement(1, {ONE: (0.0, 0.3), OTHER: (0.0, 1.0)}),
    Judgement(0),
)


def drive(path, judge, *, slots, stop_every=None, memory=None, study=STUDY):
    """Runs a study on drivers that are killed after given numbers of ends; returns all points."""
    shuffle = random.Random(slots)
    while True:
        planner = Planner(study, Ledger(study, path), judge=judge, memory=memory)
        live, ended = [], 0
        while not planner.finished and ended != stop_every:
            while len(live) < slots and (specs := planner.take_next()):
                live += specs
            spec = live.pop(shuffle.randrange(len(live)))
            planner.ledger.finish(spec, "complete", {"val_error": 1.0, "test_error": spec.seed}, "")
            ended += 1
        if planner.finished:
            ends = [
                (r.spec.cell.key, r.spec.settings["gamma"], r.spec.seed)
                for r in planner.ledger.all_records()
                if r.spec.phase == "curve"
            ]
            assert len(ends) == len(set(ends))
            return planner, set(ends)


def cross(key, gammas, seeds):
    return {(key, gamma, seed) for gamma in gammas for seed in seeds}


WHOLE = {
    *cross(ONE, (0.0, 0.1, 1.0), (1, 2, 3)),
    *cross(ONE, (0.3,), (1, 2, 3)),
    *cross(ONE, (0.0, 0.3), (4, 5)),
    *cross(OTHER, (0.0, 0.1, 1.0), (1, 2)),
    *cross(OTHER, (0.0, 1.0), (4, 5)),
}


@pytest.mark.parametrize("slots", [1, 3, 16])
@pytest.mark.parametrize("stop_every", [None, 1, 2, 3, 5])
def test_a_study_that_is_killed_at_any_moment_runs_the_same_points(tmp_path, slots, stop_every):
    judge = Judge(*PLAY)
    planner, ends = drive(tmp_path / "ledger", judge, slots=slots, stop_every=stop_every)
    assert ends == WHOLE
    assert [(look.seeds, look.following) for look in planner.looks] == [(2, 3), (3, 5), (5, 8)]
    assert [look.judgement for look in planner.looks] == list(PLAY)
    first = cross(ONE, (0.0, 0.1, 1.0), (1, 2)) | cross(OTHER, (0.0, 0.1, 1.0), (1, 2))
    seen = {len(points): points for points in judge.seen}
    assert sorted(seen) == [12, 18, 26]
    assert seen[12] == first
    assert seen[26] == WHOLE


def test_the_next_look_is_known(tmp_path):
    planner = Planner(STUDY, Ledger(STUDY, tmp_path / "ledger"), judge=Judge(*PLAY))
    ahead = []
    while specs := planner.take_next():
        (spec,) = specs
        planner.ledger.finish(spec, "complete", {"val_error": 1.0, "test_error": spec.seed}, "")
        ahead += [planner.next_look] if planner.next_look not in ahead[-1:] else []
    assert ahead == [2, 3, 5, None]


def test_a_judgement_is_made_once(tmp_path):
    judge = Judge(*PLAY)
    drive(tmp_path / "ledger", judge, slots=2, stop_every=2, memory=tmp_path / "looks.json")
    assert [len(points) for points in judge.seen] == [12, 18, 26]


def test_a_damaged_memory_is_made_again(tmp_path):
    memory = tmp_path / "looks.json"
    _, whole = drive(tmp_path / "ledger", Judge(*PLAY), slots=2, memory=memory)
    memory.write_text("{")
    judge = Judge(*PLAY)
    assert drive(tmp_path / "ledger", judge, slots=2, memory=memory)[1] == whole
    assert len(judge.seen) == 3


def test_no_look_before_all_cells_are_searched(tmp_path):
    searched = replace(STUDY, search=SearchPlan(trials=2, grace_period=1, control=True))
    judge = Judge(Judgement(0))
    planner, _ = drive(tmp_path / "ledger", judge, slots=3, study=searched)
    assert len(planner.ledger.all_records()) == 2 * (2 + 2 + 6 + 2) == planner.trials_known
    assert [len(points) for points in judge.seen] == [12]


def test_more_seeds_at_most_continue_a_study_that_was_undecided(tmp_path):
    still_open = Judgement(1, {ONE: (0.0, 1.0)})
    judge = Judge(*[still_open] * 4)
    few = with_curve(max_seeds=3)
    planner, ends = drive(tmp_path / "ledger", judge, slots=2, study=few)
    assert (len(ends), len(planner.looks)) == (14, 1)
    planner, more = drive(tmp_path / "ledger", judge, slots=2, study=STUDY)
    assert more - ends == cross(ONE, (0.0, 1.0), (4, 5, 6, 7, 8))
