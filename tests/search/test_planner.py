"""The order of a study's trials, decided from the ledger; the driver here is a loop."""

import random
from dataclasses import replace

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.study import (
    GAMMA,
    CurvePlan,
    FloatRange,
    IntRange,
    SearchPlan,
    Study,
    TrainingPlan,
    plan_summary,
)

STUDY = Study(
    name="s",
    models={"pamnet": {}, "mxmnet": {}},
    tasks=("qm9/homo", "qm9/mu"),
    space={"gamma": GAMMA, "depth": IntRange(type="int", low=1, high=4)},
    search=SearchPlan(trials=4, startup_trials=2, grace_period=1, control=True),
    curve=CurvePlan(gammas=(0.0, 0.1, 1.0), seeds=(1, 2)),
    training=TrainingPlan(epochs=2),
)


def error_of(spec):
    return spec.settings.get("depth", 0) + spec.settings["gamma"] + spec.seed


def drive(study, path, *, slots=1, stop_after=None, outcome=lambda spec: "complete"):
    """Runs a study to its end, or for a number of ended trials; trials end in random order."""
    planner = Planner(study, Ledger(study, path))
    shuffle = random.Random(0)
    live, ended = [], []
    while not planner.finished:
        while len(live) < slots and (specs := planner.take_next()):
            live += specs
        spec = live.pop(shuffle.randrange(len(live)))
        state = outcome(spec)
        summary = {"val_error": error_of(spec)} if state == "complete" else {}
        planner.ledger.finish(spec, state, summary, "")
        ended.append(spec)
        if stop_after and len(ended) == stop_after:
            break
    return planner, ended


def points(planner, phase):
    return sorted(
        (record.spec.cell.key, record.spec.settings["gamma"], record.spec.seed)
        for cell in planner.study.cells
        for record in planner.ledger.records(cell, phase)
        if record.state == "complete"
    )


def test_a_study_of_curves_alone(tmp_path):
    """Without a search, the control has no search either."""
    alone = replace(STUDY, space={"gamma": GAMMA}, search=SearchPlan(trials=0, control=True))
    planner, ended = drive(alone, tmp_path / "ledger", slots=2)
    assert len(ended) == plan_summary(alone).trials == 4 * 6
    assert {spec.phase for spec in ended} == {"curve"}
    assert planner.cells_without_curve == []
    assert [settings for _, _, settings in planner.curves] == [{}] * 4


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_planned_counts_are_met_exactly(tmp_path, slots):
    planner, ended = drive(STUDY, tmp_path / "ledger", slots=slots)
    assert len(ended) == len({spec.key for spec in ended}) == 4 * (4 + 4 + 6 + 2)
    expected = sorted((c.key, g, s) for c in STUDY.cells for g in (0, 0.1, 1) for s in (1, 2))
    assert points(planner, "curve") == expected
    assert points(planner, "control_curve") == [point for point in expected if point[1] == 0]


def test_one_at_a_time_searches_take_turns_and_curves_follow(tmp_path):
    _, ended = drive(STUDY, tmp_path / "ledger")
    phases = [spec.phase for spec in ended]
    assert set(phases[:32]) == {"search", "control"}
    assert set(phases[32:]) == {"curve", "control_curve"}
    assert len({(spec.cell, spec.phase) for spec in ended[:8]}) == 8


def test_a_curve_lies_at_the_best_settings_of_its_own_search(tmp_path):
    planner, _ = drive(STUDY, tmp_path / "ledger", slots=3)
    for cell in STUDY.cells:
        for search, curve in (("search", "curve"), ("control", "control_curve")):
            best = min(planner.ledger.records(cell, search), key=lambda r: error_of(r.spec))
            depths = {r.spec.settings["depth"] for r in planner.ledger.records(cell, curve)}
            assert depths == {best.spec.settings["depth"]}


def test_no_slot_waits_for_another_cell(tmp_path):
    """While one cell's last search trial runs, the other slots get curve points."""
    planner = Planner(STUDY, Ledger(STUDY, tmp_path / "ledger"))
    (slow,) = planner.take_next()
    for _ in range(31):
        (spec,) = planner.take_next()
        planner.ledger.finish(spec, "complete", {"val_error": error_of(spec)}, "")
    (waiting,) = planner.take_next()
    assert waiting.phase in ("curve", "control_curve")
    assert (waiting.cell, waiting.phase) != (slow.cell, "curve")


@pytest.mark.parametrize("stop_after", [1, 9, 33, 50])
def test_a_continued_study_is_the_whole_study(tmp_path, stop_after):
    whole, _ = drive(STUDY, tmp_path / "whole")
    drive(STUDY, tmp_path / "cut", stop_after=stop_after)
    planner = Planner(STUDY, Ledger(STUDY, tmp_path / "cut"))
    planner.take_next()  # a trial that was running when the driver was killed
    continued, _ = drive(STUDY, tmp_path / "cut")
    assert [r.spec for r in continued.ledger.all_records()] == [
        r.spec for r in whole.ledger.all_records()
    ]


def test_asking_for_more_extends(tmp_path):
    drive(STUDY, tmp_path / "ledger")
    more = replace(
        STUDY,
        curve=CurvePlan(gammas=(0.0, 0.01, 0.1, 1.0), seeds=(1, 2, 3)),
        tasks=(*STUDY.tasks, "qm9/r2"),
    )
    planner, ended = drive(more, tmp_path / "ledger")
    assert len(points(planner, "curve")) == len(set(points(planner, "curve"))) == 6 * 12
    per_new_cell = 4 + 4 + 12 + 3
    assert len(ended) == 4 * (6 + 1) + 2 * per_new_cell


def test_a_finished_study_has_nothing_to_do(tmp_path):
    drive(STUDY, tmp_path / "ledger")
    planner = Planner(STUDY, Ledger(STUDY, tmp_path / "ledger"))
    assert planner.finished
    assert planner.take_next() == ()


def test_more_search_trials_may_move_the_curve(tmp_path):
    """Points at settings that are no longer the best remain, and the new points are measured."""
    drive(STUDY, tmp_path / "ledger")
    longer = replace(STUDY, search=replace(STUDY.search, trials=12))
    planner, _ = drive(longer, tmp_path / "ledger")
    for cell, phase, settings in planner.curves:
        at_best = [
            r.spec
            for r in planner.ledger.records(cell, phase)
            if r.spec.settings["depth"] == settings["depth"]
        ]
        assert len(at_best) == (6 if phase == "curve" else 2)
    searches_and_curves = 8 * 12 + 4 * (6 + 2)
    assert len(planner.ledger.all_records()) == planner.trials_known > searches_and_curves


def test_a_cell_that_only_diverges_has_no_curve_and_is_named(tmp_path):
    bad = STUDY.cells[0]

    def outcome(spec):
        return "diverged" if spec.cell == bad and spec.phase == "search" else "complete"

    planner, _ = drive(STUDY, tmp_path / "ledger", outcome=outcome)
    assert planner.cells_without_curve == [(bad, "search")]
    assert planner.ledger.records(bad, "curve") == []
    assert len(planner.ledger.records(bad, "control_curve")) == 2


def test_failed_points_are_tried_again_by_the_next_driver_only(tmp_path):
    def outcome(spec):
        return "failed" if spec.phase == "curve" and spec.seed == 2 else "complete"

    planner, first = drive(STUDY, tmp_path / "ledger", outcome=outcome)
    assert planner.finished
    _, second = drive(STUDY, tmp_path / "ledger")
    assert len(first) == 64
    assert sorted({spec.seed for spec in second}) == [2]
    assert len(second) == 12


def test_how_many_trials_could_run_now(tmp_path):
    planner = Planner(STUDY, Ledger(STUDY, tmp_path / "ledger"))
    searches = 2 * len(STUDY.cells) * STUDY.search.trials
    assert planner.ready == searches
    specs = [spec for _ in range(searches) for spec in planner.take_next()]
    assert planner.ready == searches  # all search trials run
    (cell,) = {spec.cell for spec in specs[:1]}
    for spec in specs:
        if spec.cell == cell and spec.phase == "search":
            planner.ledger.finish(spec, "complete", {"val_error": error_of(spec)}, "")
    assert planner.ready == searches - STUDY.search.trials + 6  # the curve of that cell
    planner, _ = drive(STUDY, tmp_path / "other")
    assert planner.ready == 0


CURVES = replace(STUDY, space={"gamma": GAMMA}, search=SearchPlan(trials=0))


def of_arrays(study, path, size=2):
    planner = Planner(study, Ledger(study, path))
    planner.array_size = lambda cell, phase, settings: size if cell.model == "pamnet" else 1
    return planner


def test_the_points_of_an_array_have_one_curve_and_one_seed(tmp_path):
    planner = of_arrays(CURVES, tmp_path / "ledger")
    # Two cells of PAMNet with two seeds of 2 + 1 points, and two of MXMNet with six points each.
    assert planner.ready == 2 * 2 * 2 + 2 * 6
    arrays = []
    while array := planner.take_next():
        arrays.append(array)
    assert planner.ready == len(arrays) == 2 * 2 * 2 + 2 * 6
    assert len({spec.key for array in arrays for spec in array}) == 4 * 6
    for array in arrays:
        assert len({(spec.cell, spec.phase, spec.seed) for spec in array}) == 1
        assert len({spec.settings["gamma"] for spec in array}) == len(array)
    sizes = {array[0].cell.model: set() for array in arrays}
    for array in arrays:
        sizes[array[0].cell.model].add(len(array))
    assert sizes == {"pamnet": {1, 2}, "mxmnet": {1}}


def test_interrupted_arrays_go_on_as_they_were(tmp_path):
    """Also where another size is wanted now; a trial that has ended is no longer a member."""
    planner = of_arrays(CURVES, tmp_path / "ledger", size=3)
    first, second = planner.take_next(), planner.take_next()
    planner.ledger.finish(first[1], "diverged", {}, "")
    again = of_arrays(CURVES, tmp_path / "ledger", size=1)
    assert again.take_next() == (first[0], first[2])
    assert again.take_next() == second
    assert len(again.take_next()) == 1


def test_an_array_begins_no_more_trials_than_may_begin(tmp_path):
    planner = of_arrays(CURVES, tmp_path / "ledger", size=3)
    assert len(planner.take_next(2)) == 2
    assert planner.take_next(0) == ()


LR = FloatRange(type="float", low=1e-4, high=1e-2, log=True)
SEARCHES = replace(STUDY, space={**STUDY.space, "lr": LR}, search=replace(STUDY.search, trials=40))


def test_the_trials_of_a_searched_array_differ_in_gamma_and_learning_rate(tmp_path):
    planner = of_arrays(SEARCHES, tmp_path / "ledger", size=3)
    # The searches of two cells in arrays of three at best, and of two cells of single trials.
    assert planner.ready == 2 * 2 * 14 + 2 * 2 * 40
    arrays = []
    while array := planner.take_next():
        arrays.append(array)
    assert planner.ready == len(arrays)
    assert len({spec.key for array in arrays for spec in array}) == 4 * 2 * 40
    for array in arrays:
        assert len({(spec.cell, spec.phase, spec.seed) for spec in array}) == 1
        assert len({spec.settings["depth"] for spec in array}) == 1
        assert len({spec.settings["lr"] for spec in array}) == len(array)
        numbers = tuple(spec.number for spec in array) if len(array) > 1 else ()
        assert {planner.ledger.record(spec).array for spec in array} == {numbers}
        assert len(array) <= (3 if array[0].cell.model == "pamnet" else 1)
    assert len(arrays) < 2 * 2 * 25 + 2 * 2 * 40


def test_a_batch_begins_no_more_trials_than_may_begin(tmp_path):
    planner = of_arrays(SEARCHES, tmp_path / "ledger", size=3)
    planner.take_next(3)
    assert planner.ledger.begun == 3


@pytest.mark.parametrize("size", [1, 3])
def test_restarts_change_no_suggestion_and_no_array(tmp_path, size):
    def arrays(path, *, reopen):
        planner, found = of_arrays(SEARCHES, path, size), []
        for _ in range(9):
            array = planner.take_next()
            found.append(array)
            for spec in array:
                planner.ledger.finish(spec, "complete", {"val_error": error_of(spec)}, "")
            if reopen:
                planner = of_arrays(SEARCHES, path, size)
        return found

    whole = arrays(tmp_path / "whole", reopen=False)
    assert arrays(tmp_path / "restarted", reopen=True) == whole


def test_an_interrupted_array_goes_on_before_a_later_one_also_without_its_first_trial(tmp_path):
    planner = of_arrays(SEARCHES, tmp_path / "ledger", size=9)
    first = planner.take_next()
    later = planner.take_next()
    assert first[0].number < later[0].number < first[-1].number
    planner.ledger.finish(first[0], "stopped", {}, "")
    again = of_arrays(SEARCHES, tmp_path / "ledger", size=9)
    assert [again.take_next(), again.take_next()] == [first[1:], later]
