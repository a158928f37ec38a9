"""The ledger on a real journal file."""

import math
import sys
from pathlib import Path

import pytest

from lkm_tune.ledger.failure import Failure
from lkm_tune.ledger.ledger import STOPPED, Ledger
from lkm_tune.ledger.trials import StudyTrials
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


def goes_on(ledger, spec, epoch, error):
    ledger.enter_rung(spec, epoch, error)
    return ledger.survives(spec, epoch)


def run_search(path, n_trials, *, reopen):
    """Runs trials in sequence; with `reopen`, it opens the ledger again before every step."""
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
    """Every prefix of the journal with a torn last line opens; a trial that had begun gets the same
    settings."""
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
    assert goes_on(ledger, specs[1], 1, 3.0)
    assert not goes_on(ledger, specs[2], 1, 4.0)
    ledger.finish(specs[1], "diverged", {"val_error": math.nan}, "NaN")
    ledger.finish(specs[2], "stopped", {}, "rung")
    ledger.finish(specs[3], "failed", {}, "ValueError: no")
    read = StudyTrials.read(STUDY, path)
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
        goes_on(ledger, spec, 2, error) for spec, error in zip(specs, (4, 3, 5, 2), strict=True)
    ]
    again = Ledger(STUDY, path)
    assert first == [True, True, False, True]
    assert not goes_on(again, specs[2], 2, 5)
    assert goes_on(again, specs[3], 2, 2)


def test_points_are_identities_that_no_sampler_draws(tmp_path):
    path = tmp_path / "ledger"
    spec = Ledger(STUDY, path).add_point(CELL, "curve", {"gamma": 0.0, "depth": 2}, seed=7)
    assert Ledger(STUDY, path).record(spec).spec == spec
    assert (spec.settings, spec.seed, spec.phase) == ({"gamma": 0.0, "depth": 2}, 7, "curve")


def test_reading_makes_nothing(tmp_path):
    ledger = StudyTrials.read(STUDY, tmp_path / "none" / "ledger")
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
    for opened in (Ledger, StudyTrials.read):
        with pytest.raises(ValueError, match=r"ledger is damaged in line 7: restore"):
            opened(STUDY, path)
    assert path.read_bytes() == b"".join(lines)


def test_a_reader_without_optuna_reads_what_the_ledger_has(tmp_path):
    """Every prefix of the journal is an earlier state of the ledger, also while a driver writes."""
    path = tmp_path / "ledger"
    ledger = Ledger(STUDY, path)
    specs = [ledger.ask(CELL, "search") for _ in range(4)]
    ledger.add_point(CELL, "curve", {"gamma": 0.0, "depth": 2}, seed=7)
    goes_on(ledger, specs[1], 1, 3.0)
    ledger.finish(specs[0], "complete", {"val_error": 2.0, "test_error": math.inf}, "full budget")
    ledger.finish(specs[2], "diverged", {"val_error": math.nan}, "NaN")
    ledger.break_off(specs[3], Failure("memory", "MemoryError", 1))
    assert StudyTrials.read(STUDY, path).all_records() == ledger.all_records()
    content = path.read_bytes()
    for cut in range(0, len(content), 311):
        path.write_bytes(content[:cut])
        read = StudyTrials.read(STUDY, path).all_records()
        path.write_bytes(content[: content.rfind(b"\n", 0, cut) + 1])
        assert StudyTrials.read(STUDY, path).all_records() == read


class Told:
    """A listener that stores events."""

    def __init__(self):
        self.calls = []

    def began(self, record):
        self.calls.append(("began", record.spec.number))

    def reported(self, spec, result):
        self.calls.append(("reported", spec.number, result["epoch"]))

    def ended(self, record):
        self.calls.append((record.state, record.spec.number, record.reason))

    def interrupted(self, spec):
        self.calls.append(("interrupted", spec.number))


LAST = {"epoch": 2, "best_error": 4.0, "trained_seconds": 1.0, "device": "a CPU", "kd_ratio": 0.5}
RESULT = {"outcome": "diverged", "reason": "NaN in epoch 2", "val_error": math.nan}


@pytest.mark.parametrize(
    ("end", "state", "reason", "summary"),
    [
        (
            lambda ledger, spec: ledger.end(spec, LAST),
            "stopped",
            STOPPED,
            {"epoch": 2, "val_error": 4.0, "kd_ratio": 0.5, "seconds": 1.0, "device": "a CPU"},
        ),
        (
            lambda ledger, spec: ledger.end(spec, {**LAST, "summary": RESULT}),
            "diverged",
            "NaN in epoch 2",
            {**RESULT, "val_error": None},
        ),
        (
            lambda ledger, spec: [
                ledger.break_off(spec, Failure("own", "KeyError: 3", 1)) for _ in range(3)
            ],
            "failed",
            "KeyError: 3",
            {},
        ),
    ],
)
def test_the_ledger_decides_how_a_trial_ended_and_tells_it_once(
    tmp_path, end, state, reason, summary
):
    ledger, told = Ledger(STUDY, tmp_path / "ledger"), Told()
    spec, running = ledger.ask(CELL, "search"), ledger.ask(CELL, "search")
    ledger.listen(told)
    ledger.start(spec)
    ledger.report(spec, LAST)
    end(ledger, spec)
    ledger.interrupt()
    record = ledger.record(spec)
    assert (record.state, record.reason, record.summary) == (state, reason, summary)
    heard = [("began", 0), ("reported", 0, 2), (state, 0, reason), ("interrupted", running.number)]
    assert told.calls == heard
    # A driver may be killed before its listeners get an event: the next driver's listeners get it.
    again, later = Ledger(STUDY, tmp_path / "ledger"), Told()
    again.listen(later)
    assert later.calls == [(state, 0, reason)]


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
