"""The ledger on a real journal file: what it remembers is what happened."""

import math
import sys
from pathlib import Path

import pytest

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.study import GAMMA, IntRange, SearchPlan, Study, TrainingPlan

STUDY = Study(
    name="s",
    models={"pamnet": {}},
    tasks=("qm9/homo",),
    space={"gamma": GAMMA, "depth": IntRange(type="int", low=1, high=4)},
    search=SearchPlan(trials=8, startup_trials=3, grace_period=1, reduction_factor=2),
    training=TrainingPlan(epochs=8),
)
(CELL,) = STUDY.cells


def error_of(spec):
    return abs(math.log10(spec.settings["gamma"]) + 1) + spec.settings["depth"]


def run_search(path, n_trials, *, reopen):
    """Trials one after another; with `reopen`, a new process's view before every step."""
    ledger = Ledger(STUDY, path)
    for _ in range(n_trials):
        spec = ledger.ask(CELL, "search")
        if reopen:
            ledger = Ledger(STUDY, path)
            assert [r.spec for r in ledger.all_records() if r.state == "running"] == [spec]
        ledger.finish(spec, "complete", {"val_error": error_of(spec)}, "full budget")
    return [r.spec.settings for r in ledger.records(CELL, "search")]


def test_suggestions_do_not_depend_on_restarts(tmp_path):
    whole = run_search(tmp_path / "whole", 8, reopen=False)
    assert run_search(tmp_path / "restarted", 8, reopen=True) == whole
    assert len({str(settings) for settings in whole}) == 8


def test_a_killed_write_is_undone_and_the_draw_finished_as_it_began(tmp_path):
    """Every prefix of the journal, cut in the middle of a line, opens; a trial that was begun
    gets the settings that it would have had."""
    path = tmp_path / "ledger"
    run_search(path, 4, reopen=False)
    spec = Ledger(STUDY, path).ask(CELL, "search")
    content = path.read_bytes()
    begun = content.rfind(b'"op_code":4')  # the creation of the last trial
    assert begun > 0
    for cut in range(content.find(b"\n", begun) + 1, len(content), 7):
        path.write_bytes(content[:cut])
        ledger = Ledger(STUDY, path)
        assert ledger.records(CELL, "search")[-1].spec == spec
    path.write_bytes(content[: begun + 5])
    assert Ledger(STUDY, path).ask(CELL, "search") == spec


def test_states_and_values_survive(tmp_path):
    path = tmp_path / "ledger"
    ledger = Ledger(STUDY, path)
    specs = [ledger.ask(CELL, "search") for _ in range(4)]
    ledger.finish(specs[0], "complete", {"val_error": 2.0, "test_error": math.nan}, "full budget")
    assert ledger.goes_on(specs[1], 1, 3.0)
    assert not ledger.goes_on(specs[2], 1, 4.0)
    ledger.finish(specs[1], "diverged", {"val_error": math.nan}, "NaN")
    ledger.finish(specs[2], "stopped", {}, "rung")
    ledger.finish(specs[3], "failed", {}, "ValueError: no")
    read = Ledger(STUDY, path, writable=False)
    assert [(r.state, r.reason, r.rungs) for r in read.records(CELL, "search")] == [
        ("complete", "full budget", {}),
        ("diverged", "NaN", {1: 3.0}),
        ("stopped", "rung", {1: 4.0}),
        ("failed", "ValueError: no", {}),
    ]
    assert read.best(CELL, "search").summary == {"val_error": 2.0, "test_error": None}


def test_a_diverged_trial_ranks_last_for_optuna(tmp_path):
    ledger = Ledger(STUDY, tmp_path / "ledger")
    good, bad = (ledger.ask(CELL, "search") for _ in range(2))
    ledger.finish(bad, "diverged", {}, "NaN")
    ledger.finish(good, "complete", {"val_error": 5.0}, "full budget")
    told = ledger._optuna[CELL, "search"]
    assert told.best_value == 5.0
    assert told.trials[bad.number].constraints == {"infeasible": 1.0}


def test_judging_again_after_a_restart_judges_the_same(tmp_path):
    path = tmp_path / "ledger"
    ledger = Ledger(STUDY, path)
    specs = [ledger.ask(CELL, "search") for _ in range(4)]
    first = [
        ledger.goes_on(spec, 2, error) for spec, error in zip(specs, (4, 3, 5, 2), strict=True)
    ]
    again = Ledger(STUDY, path)
    assert first == [True, True, False, True]
    assert not again.goes_on(specs[2], 2, 5)
    assert again.goes_on(specs[3], 2, 2)


def test_points_are_identities_that_no_sampler_draws(tmp_path):
    path = tmp_path / "ledger"
    spec = Ledger(STUDY, path).add_point(CELL, "curve", {"gamma": 0.0, "depth": 2}, seed=7)
    assert Ledger(STUDY, path).record(spec).spec == spec
    assert (spec.settings, spec.seed, spec.phase) == ({"gamma": 0.0, "depth": 2}, 7, "curve")


def test_reading_makes_nothing(tmp_path):
    ledger = Ledger(STUDY, tmp_path / "none" / "ledger", writable=False)
    assert ledger.all_records() == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("phase", ["search", "control"])
def test_only_the_control_has_a_fixed_gamma(tmp_path, phase):
    spec = Ledger(STUDY, tmp_path / "ledger").ask(CELL, phase)
    assert (spec.settings["gamma"] == 0) == (phase == "control")
    assert set(spec.settings) == {"gamma", "depth"}


def test_damage_in_the_middle_is_named_and_nothing_begins_anew(tmp_path):
    path = tmp_path / "ledger"
    run_search(path, 3, reopen=False)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6][:9] + b"\n"
    path.write_bytes(b"".join(lines))
    for writable in (True, False):
        with pytest.raises(ValueError, match=r"ledger is damaged in line 7: restore"):
            Ledger(STUDY, path, writable=writable)
    assert path.read_bytes() == b"".join(lines)


def test_a_full_disk_leaves_whole_lines(tmp_path, small_disk):
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from test_ledger import CELL, STUDY, Ledger\n"
        "path = Path(sys.argv[2]) / 'ledger'\n"
        "ledger = Ledger(STUDY, path)\n"
        "try:\n"
        "    while True: ledger.ask(CELL, 'search')\n"
        "except OSError as error: print(error)\n"
        "path.with_name('filler').unlink()\n"
        "again = Ledger(STUDY, path)\n"
        "print(len(again.all_records()) > 0, again.ask(CELL, 'search'))"
    )
    fill = f"head -c 100k /dev/zero > {tmp_path}/filler"
    command = [sys.executable, "-c", program, Path(__file__).parent, tmp_path]
    output = small_disk(tmp_path, "116k", command, before=fill)
    assert "No space left on device" in output
    assert "True TrialSpec(" in output
