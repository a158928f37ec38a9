"""What cells begin with when a study starts warm, decided by planner and ledger; no Ray here."""

import json
from dataclasses import replace

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.planner import Planner
from lkm_tune.search.warm import WarmStart, trials_elsewhere
from lkm_tune.study import GAMMA, CurvePlan, IntRange, LkmOptions, SearchPlan, Study, TrainingPlan

STUDY = Study(
    name="s",
    models={"pamnet": {}, "mxmnet": {}},
    tasks=("qm9/homo", "qm9/mu"),
    space={"gamma": GAMMA, "depth": IntRange(type="int", low=1, high=9)},
    search=SearchPlan(trials=9, startup_trials=3, grace_period=1, warm_start=True),
    curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1,)),
    training=TrainingPlan(epochs=2),
)
PAM_HOMO, PAM_MU, MXM_HOMO, MXM_MU = STUDY.cells
CHEAP_FIRST = (MXM_MU, PAM_HOMO, MXM_HOMO, PAM_MU)


def nothing(known, cell):
    return None


def warm(elsewhere=(), recommend=nothing):
    return WarmStart(CHEAP_FIRST, tuple(elsewhere), recommend)


def finish(ledger, spec):
    """Each cell is best at a depth of its own."""
    best = CHEAP_FIRST.index(spec.cell) + 1
    error = abs(spec.settings.get("depth", 1) - best) + 1 + spec.settings["gamma"] / 1000
    ledger.finish(spec, "complete", {"val_error": error}, "")


def drive(path, stop_after=None, study=STUDY, start=None):
    """Runs a study one trial at a time, to its end or until so many trials have ended."""
    planner = Planner(study, Ledger(study, path), start or warm())
    ended = []
    while len(ended) != stop_after and (spec := planner.next()):
        finish(planner.ledger, spec)
        ended.append(spec)
    return planner.ledger, ended


def search_at(ledger, cell, *settings):
    """Complete search trials of a cell."""
    for gamma, depth in settings:
        finish(ledger, ledger.add_point(cell, "search", {"gamma": gamma, "depth": depth}, 0))


def test_cells_come_cheap_ones_first_each_with_its_curve(tmp_path):
    _, ended = drive(tmp_path / "ledger")
    order = list(dict.fromkeys(spec.cell for spec in ended))
    assert order == list(CHEAP_FIRST)
    of_each = len(ended) // 4
    assert [spec.cell for spec in ended] == [c for c in CHEAP_FIRST for _ in range(of_each)]


def test_a_cell_begins_with_what_the_cells_before_it_claim_to_be_best(tmp_path):
    ledger, _ = drive(tmp_path / "ledger")
    for cell in CHEAP_FIRST[1:]:
        for phase in ("search", "control"):
            begun = ledger.records(cell, phase)
            candidates = begun[0].warm["candidates"]
            assert begun[0].warm["claim"] == min(one["claim"] for one in candidates)
            known = {json.dumps(one["settings"]): one["from"] for one in candidates}
            # A study has nine trials here: three of them may start warm.
            for record in begun[:3]:
                assert record.warm["from"] == known[json.dumps(dict(record.spec.settings))]
            assert not any(r.warm for r in begun[3:])
            assert len(begun) == STUDY.search.trials


def test_a_trial_that_starts_warm_trains_to_its_end(tmp_path):
    ledger = Ledger(STUDY, tmp_path / "ledger")
    for error in (1.0, 1.1):
        assert ledger.goes_on(ledger.ask(PAM_MU, "search"), 1, error) == (error == 1.0)
    settings = {"gamma": 0.1, "depth": 2}
    warm = ledger.add_point(PAM_MU, "search", settings, 0, {"from": "s/somewhere"})
    assert ledger.goes_on(warm, 1, 9.0)
    assert ledger.record(warm).rungs == {1: 9.0}


def test_the_first_cell_has_nobody_to_learn_from_and_draws_as_a_cold_one(tmp_path):
    cold = replace(STUDY, search=replace(STUDY.search, warm_start=False))
    first, _ = drive(tmp_path / "warm")
    alone = Ledger(cold, tmp_path / "cold")
    for _ in range(STUDY.search.trials):
        finish(alone, alone.ask(MXM_MU, "search"))
    drawn = [[r.spec.settings for r in one.records(MXM_MU, "search")] for one in (first, alone)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("stop_after", [22, 43])
def test_a_continued_study_is_the_whole_study(tmp_path, stop_after):
    """Also when what is known has meanwhile become more: the starts of a cell are kept."""
    whole, _ = drive(tmp_path / "whole")
    before, _ = drive(tmp_path / "cut", stop_after=stop_after)
    begun = {r.spec.cell for r in before.all_records()}
    Planner(STUDY, before, warm()).next()  # a trial that was running when the driver was killed
    other = Ledger(replace(STUDY, name="other"), tmp_path / "other")
    search_at(other, PAM_HOMO, (0.5, 2))
    continued, _ = drive(tmp_path / "cut", start=warm(other.all_records()))
    for cell in begun:
        records = [[r.spec for r in one.records(cell, "search")] for one in (whole, continued)]
        assert records[0] == records[1]


def test_the_recommended_gamma_begins_else_the_nearest_kin_where_nothing_is_claimed(tmp_path):
    ledger = Ledger(STUDY, tmp_path / "ledger")
    search_at(ledger, MXM_MU, (0.1, 2), (0.2, 3))
    search_at(ledger, PAM_HOMO, (0.3, 4))
    search_at(ledger, MXM_HOMO, (0.1, 2))
    other = Ledger(replace(STUDY, name="other"), tmp_path / "other")
    search_at(other, PAM_MU, (0.4, 5), (0.4, 6))
    asked = []

    def recommend(known, cell):
        asked.append({(r.spec.study, r.spec.cell) for r in known})
        return 0.05

    def first(start):
        candidates = start.candidates(ledger, PAM_MU, "search")
        assert len(candidates) > 100
        return candidates[0]["settings"]

    assert first(warm(other.all_records(), recommend)) == {"gamma": 0.05, "depth": 5}
    assert asked == [{("s", MXM_MU), ("s", PAM_HOMO), ("s", MXM_HOMO), ("other", PAM_MU)}]
    out_of_range = warm(other.all_records(), lambda known, cell: 1e9)
    assert first(out_of_range) == {"gamma": 0.4, "depth": 5}


def test_what_does_not_compare_is_left_out(tmp_path):
    def elsewhere(name, **changes):
        study = replace(STUDY, name=name, **changes)
        folder = StudyFolder(tmp_path, name)
        folder.path.mkdir(parents=True)
        folder.write_study(study)
        settings = {key: 4 if key == "depth" else 0.1 for key in study.space}
        ledger = Ledger(study, folder.ledger)
        finish(ledger, ledger.add_point(PAM_MU, "search", settings, 0))

    elsewhere("other-scale", lkm=LkmOptions(reduction="sum"))
    elsewhere("other-settings", space={"gamma": GAMMA})
    deeper = IntRange(type="int", low=1, high=20)
    elsewhere("same", space={"gamma": GAMMA, "depth": deeper})
    narrow = replace(STUDY, space={**STUDY.space, "depth": IntRange(type="int", low=5, high=9)})
    for study, expected in ((STUDY, ["same"]), (narrow, [])):
        known = trials_elsewhere(StudyFolder(tmp_path, study.name), study)
        assert {record.spec.study for record in known} == {"other-settings", "same"}
        ledger = Ledger(study, tmp_path / f"ledger-{len(expected)}")
        starts = warm(known).candidates(ledger, PAM_MU, "search")
        named = {start["from"].split("/")[0] for start in starts} - {"another cell"}
        assert sorted(named) == expected
