"""What cells begin with when a study starts warm, decided by planner and ledger; no Ray here."""

from dataclasses import replace

import pytest

from lkm_tune.search.folder import StudyFolder
from lkm_tune.search.ledger import Ledger
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


def test_a_cell_begins_with_the_best_of_the_cells_before_it(tmp_path):
    ledger, _ = drive(tmp_path / "ledger")
    # Of one model or task with mxmnet on homo, and of neither; the same model is nearer.
    for phase in ("search", "control"):
        begun = ledger.records(MXM_HOMO, phase)
        best = [ledger.best(cell, phase).spec for cell in (MXM_MU, PAM_HOMO)]
        assert [r.spec.settings for r in begun[:2]] == [spec.settings for spec in best]
        assert [r.warm["from"] for r in begun[:2]] == [f"s/{spec.key}" for spec in best]
        assert not any(r.warm for r in begun[2:])
        assert len(begun) == STUDY.search.trials


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


def test_the_nearest_kin_come_first_and_the_recommended_gamma_before_them(tmp_path):
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

    starts = warm(other.all_records(), recommend).starts(ledger, PAM_MU, "search")
    found = [(start["settings"]["gamma"], start["settings"]["depth"]) for start in starts]
    # A study has nine trials here: three of them may start warm.
    assert found == [(0.05, 5), (0.4, 5), (0.3, 4)]
    assert asked == [{("s", MXM_MU), ("s", PAM_HOMO), ("s", MXM_HOMO), ("other", PAM_MU)}]
    out_of_range = warm(other.all_records(), lambda known, cell: 1e9)
    first, *_ = out_of_range.starts(ledger, PAM_MU, "search")
    assert first["settings"] == {"gamma": 0.4, "depth": 5}


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
        starts = warm(known).starts(ledger, PAM_MU, "search")
        assert [start["from"].split("/")[0] for start in starts] == expected
