"""The suggestions of the searcher; the test plays Tune."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, NodeDiedError, RayTaskError, WorkerCrashedError

from lkm_tune.ledger.failure import CodeError, StorageError
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.use import Spent
from lkm_tune.search.broken import BrokenAttempt, failure_here
from lkm_tune.search.cluster.health import NodeHealth
from lkm_tune.search.cluster.nodes import OtherCodeError, check_writable
from lkm_tune.search.cluster.room import most_at_once
from lkm_tune.search.cluster.slots import Share, Slots
from lkm_tune.search.limits import Limits
from lkm_tune.search.planner import Planner
from lkm_tune.search.scheduler import CellScheduler, LedgerRelay
from lkm_tune.search.searcher import PATIENCE_S, StudySearcher
from lkm_tune.study import CurvePlan, SearchPlan, Study, TrainingPlan, TrialSpec
from lkm_tune.training import ArrayError

FINISHED = "FINISHED"


def make_study(**search):
    plan = {"trials": 6, "startup_trials": 2, "grace_period": 1, "control": False, **search}
    return Study(
        name="s",
        models={"pamnet": {}},
        tasks=("qm9/homo",),
        search=SearchPlan(**plan),
        curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1,)),
        training=TrainingPlan(epochs=9),
    )


class FourSlots:
    """The room of two nodes, of which other studies may take some back."""

    def __init__(self, study):
        self.most = most_at_once(study)
        self.free = 4
        self.to_give = 0

    def slots(self, held):
        return Slots(self.free, Share(2.0, 0.0), 2)

    def takes_back(self):
        self.to_give -= 1
        return self.to_give >= 0


def report(epoch, outcome="", error=1.0):
    """The report of a trial's epoch, perhaps of its last."""
    end = {"outcome": outcome, "reason": "", "val_error": error if outcome == "complete" else None}
    so_far = {"best_error": error, "trained_seconds": 2.0, "device": "a CPU"}
    summary = {"summary": end} if outcome else {}
    return {"epoch": epoch, "val_error": error, **so_far, **summary, "done": bool(outcome)}


class Tune:
    """Two nodes with two slots each, trials that start at once or on demand."""

    def __init__(self, study, path):
        ledger = Ledger(study, path)
        self.spent = Spent()
        self.started = set()
        self.room = FourSlots(study)
        self.left_out, self.now = [], 0.0
        self.nodes = {"A": "10.0.0.1", "B": "10.0.0.2"}
        self.searcher = StudySearcher(
            Planner(study, ledger),
            lambda array, alone, avoids: {
                "trial": array[0].to_dict(),
                "others": [{"trial": spec.to_dict()} for spec in array[1:]],
                "alone": alone,
                "avoids": avoids,
            },
            lambda spec: None,
            self.room,
            Limits(study, ledger, self.spent),
            self.started.__contains__,
            NodeHealth(lambda: self.nodes, self.left_out.append, lambda: self.now),
            lambda: check_writable(str(path.parent)),
            lambda: self.now,
        )
        self.scheduler, self.relay = CellScheduler(self.searcher), LedgerRelay(self.searcher)
        self.count = 0
        self.live = {}

    def ask(self, start=True):
        name = str(self.count)
        self.count += 1
        config = self.searcher.suggest(name)
        if isinstance(config, dict):
            self.live[name] = config
            self.started |= {name} if start else set()
            return name
        return config

    def spec(self, name):
        return TrialSpec.from_dict(self.live[name]["trial"])

    def record(self, name):
        return self.searcher.ledger.record(self.spec(name))

    def breaks(self, name, error):
        self.searcher.on_broken(name, error, 0)
        self.searcher.on_trial_complete(name, error=True)

    def withdraws(self):
        """Ends the attempts that have waited too long, as the controller does."""
        overdue = self.searcher.overdue()
        for name in overdue:
            self.searcher.on_trial_complete(name)
        return overdue

    def ends(self, name):
        self.hands_over(name, report(9, "complete"))

    def reports(self, name, epoch):
        return self.hands_over(name, report(epoch))

    def hands_over(self, name, result):
        """A result, in Tune's order of calls; returns the decision."""
        trial = SimpleNamespace(config=self.live[name], trial_id=name)
        decision = "STOP" if result["done"] else self.scheduler.on_trial_result(None, trial, result)
        result["done"] = decision == "STOP"
        self.relay.on_trial_result(1, [trial], trial, result)
        if decision == "STOP":
            self.searcher.on_trial_complete(name, result)
        return decision


@pytest.fixture
def tune(tmp_path):
    return Tune(make_study(), tmp_path / "ledger")


def test_no_more_trials_than_slots(tune):
    assert [tune.ask() is not None for _ in range(6)] == [True] * 4 + [False] * 2


def test_three_errors_of_its_own_are_a_failure(tune):
    first = tune.ask()
    for attempt in range(3):
        name = first if attempt == 0 else tune.ask()
        assert tune.spec(name) == tune.spec(first)
        assert tune.record(first).state == "running"
        tune.breaks(name, KeyError(3))
    assert (tune.record(first).state, tune.record(first).reason) == ("failed", "KeyError: 3")
    assert tune.spec(tune.ask()) != tune.spec(first)


def test_attempts_are_counted_over_restarts(tmp_path):
    study = make_study()
    for attempt in range(3):
        tune = Tune(study, tmp_path / "ledger")
        name = tune.ask()
        assert tune.spec(name).number == 0
        tune.breaks(name, KeyError(3))
        assert tune.record(name).state == ("running" if attempt < 2 else "failed")


def test_out_of_memory_is_tried_alone_and_then_infeasible(tune):
    first, other = tune.ask(), tune.ask()
    tune.breaks(first, MemoryError())
    again = tune.ask(start=False)
    assert tune.live[again] == {**tune.live[first], "alone": True}
    # While this attempt waits for a whole node, no other trial may start.
    assert tune.ask() is None
    tune.started.add(again)
    third = tune.ask()
    assert third is not None
    assert tune.ask() is None, "one alone, of two slots, and two others fill four slots"
    tune.breaks(again, MemoryError())
    assert tune.record(first).state == "infeasible"
    told = tune.searcher.ledger._optuna[tune.spec(first).cell, "search"].trials[0]
    assert told.constraints == {"infeasible": 1.0}
    assert tune.record(other).state == tune.record(third).state == "running"


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (OSError(28, "No space left on device"), StorageError),
        (OtherCodeError("has another version of lkm-tune (a) than the driver's (b)"), CodeError),
    ],
)
def test_what_every_trial_would_meet_ends_the_study_and_fails_none(tune, error, ending):
    name = tune.ask()
    tune.breaks(name, error)
    assert tune.ask() == FINISHED
    assert type(tune.searcher.ending) is ending and str(error) in str(tune.searcher.ending)
    assert tune.record(name).state == "running"


def on(node, error, starting=True):
    """An error of a trial, as it arrives from its node."""
    return BrokenAttempt(failure_here(error, node, starting))


def not_created(address):
    """The error of Ray if the worker at an address lacks a package."""
    text = "RuntimeError: T failed to import on the worker.\n\nImportError: No module 'torch'"
    cause = RayTaskError("T", f"Traceback of T:\n{text}", RuntimeError(text), "T()", 1, address)
    return ActorDiedError(cause)


@pytest.mark.parametrize(
    "error",
    [
        on("A", FileNotFoundError(2, "no such file", "qm9.tar")),
        on("A", OSError(5, "Input/output error")),
        on("A", OSError(28, "No space left on device")),
        on("A", OtherCodeError("has another version of lkm-tune (a) than the driver's (b)")),
        on("A", RuntimeError("CUDA error: uncorrectable ECC error encountered")),
        not_created("10.0.0.1"),
    ],
)
def test_a_broken_node_fails_no_trial_and_is_left_out(tune, error):
    first, second = tune.ask(), tune.ask()
    tune.breaks(first, error)
    assert tune.left_out == []
    again = tune.ask(start=False)
    assert tune.spec(again) == tune.spec(first)
    assert tune.live[again]["avoids"] == ("A",)
    assert tune.ask() is not None, "an attempt that waits for its node holds one slot, no more"
    tune.breaks(second, error)
    assert [node.address for node in tune.left_out] == ["10.0.0.1"]
    assert tune.record(first).state == tune.record(second).state == "running"
    others = [tune.ask(), tune.ask()]
    assert {tune.live[name]["avoids"] for name in others} == {("A",)}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("hidden must be a multiple of heads"),
        RuntimeError("CUDA error: device-side assert triggered"),
    ],
)
def test_two_bad_settings_in_a_row_leave_no_sound_node_out(tune, error):
    for _ in range(2):
        first = name = tune.ask()
        for _ in range(2):
            tune.breaks(name, on("A", error))
            name = tune.ask()
            assert tune.live[name]["avoids"] == ()
        tune.breaks(name, on("A", error))
        assert tune.record(first).state == "failed"
    assert tune.left_out == []


@pytest.mark.parametrize(
    "error", [NodeDiedError("a node died"), WorkerCrashedError(), ActorDiedError()]
)
def test_nodes_and_processes_that_die_leave_no_node_out(tune, error):
    for _ in range(2):
        for name in [tune.ask(), tune.ask(), tune.ask(), tune.ask()]:
            assert tune.live[name]["avoids"] == ()
            tune.breaks(name, error)
    assert tune.left_out == []


def test_an_attempt_that_waits_in_vain_for_another_node_takes_any(tune):
    first, second = tune.ask(), tune.ask()
    tune.breaks(first, on("A", OSError(5, "Input/output error")))
    again = tune.ask(start=False)
    assert tune.live[again]["avoids"] == ("A",)
    tune.now = PATIENCE_S - 1
    assert tune.withdraws() == []
    tune.now = PATIENCE_S
    assert tune.withdraws() == [again]
    assert tune.withdraws() == []
    anywhere = tune.ask()
    assert tune.spec(anywhere) == tune.spec(first)
    assert tune.live[anywhere]["avoids"] == ()
    assert tune.record(first).state == tune.record(second).state == "running"


def test_an_attempt_whose_nodes_are_gone_takes_the_node_that_was_left_out(tune):
    for name in [tune.ask(), tune.ask()]:
        tune.breaks(name, on("A", OSError(5, "Input/output error")))
    waiting, started = tune.ask(start=False), tune.ask()
    assert tune.live[waiting]["avoids"] == tune.live[started]["avoids"] == ("A",)
    del tune.nodes["B"]
    tune.now = PATIENCE_S
    assert tune.withdraws() == [waiting], "the other attempt has its node"
    again = tune.ask()
    assert tune.spec(again) == tune.spec(waiting)
    assert tune.live[again]["avoids"] == ()


def test_a_trial_that_breaks_on_every_node_has_failed(tune):
    name = first = tune.ask()
    for node in "ABB":
        assert tune.record(first).state == "running"
        tune.breaks(name, on(node, PermissionError(13, "Permission denied")))
        name = tune.ask()
    assert tune.record(first).state == "failed"
    assert tune.searcher.ending is None


def test_storage_that_is_full_everywhere_ends_the_study(tune):
    first = tune.ask()
    full = OSError(28, "No space left on device")
    tune.breaks(first, on("A", full))
    tune.breaks(tune.ask(), on("B", full))
    assert type(tune.searcher.ending) is StorageError


def test_storage_of_the_driver_that_is_full_ends_the_study(tune, monkeypatch):
    first = tune.ask()
    full = OSError(28, "No space left on device")

    def refuse():
        raise full

    monkeypatch.setattr(tune.searcher, "_check_storage", refuse)
    tune.breaks(first, on("A", full))
    assert type(tune.searcher.ending) is StorageError


@pytest.mark.parametrize(
    ("limit", "kind", "words"),
    [
        ("compute_limit", "cpu", "search.compute_limit: 1.5 of 1 CPU-hours are spent"),
        ("compute_limit", "gpu", "search.compute_limit: 1.5 of 1 GPU-hours are spent"),
        ("time_limit", "wall", "search.time_limit: 1.5 of 1 hours are spent"),
    ],
)
def test_at_a_limit_of_hours_searches_end_at_their_next_rung(tmp_path, limit, kind, words):
    tune = Tune(make_study(**{limit: 1.0}), tmp_path / "ledger")
    first, second = tune.ask(), tune.ask()
    assert tune.reports(first, 1) == "CONTINUE"
    setattr(tune.spent, kind, 1.5)
    assert tune.ask() == FINISHED
    assert tune.reports(first, 2) == "CONTINUE"
    assert tune.reports(first, 3) == "STOP"
    assert tune.record(first).state == "running", "the trial continues with the study"
    assert tune.record(second).state == "running"
    assert tune.searcher.limits.reached == words


def test_a_limit_of_trials_lets_those_within_it_end(tmp_path):
    tune = Tune(make_study(trial_limit=2), tmp_path / "ledger")
    first, second = tune.ask(), tune.ask()
    assert tune.ask() is None
    assert tune.reports(first, 3) == "CONTINUE"
    assert "2 of 2 trials" in tune.searcher.limits.reached
    tune.breaks(first, KeyError(3))
    again = tune.ask()
    assert tune.spec(again) == tune.spec(first)
    tune.ends(again)
    assert tune.ask() is None
    tune.ends(second)
    assert tune.ask() == FINISHED


def test_trials_that_a_killed_driver_began_are_within_the_limit_too(tmp_path):
    Tune(make_study(trial_limit=1), tmp_path / "ledger").ask()
    tune = Tune(make_study(trial_limit=1), tmp_path / "ledger")
    name = tune.ask()
    assert tune.spec(name).number == 0
    tune.ends(name)
    assert tune.ask() == FINISHED
    assert tune.record(name).state == "complete"


def test_no_more_trials_than_the_study_wants_at_once(tmp_path):
    tune = Tune(make_study(max_concurrent=2), tmp_path / "ledger")
    first, _ = tune.ask(), tune.ask()
    assert tune.ask() is None
    tune.ends(first)
    assert tune.ask() is not None


@pytest.mark.parametrize(
    ("study", "cluster", "most"),
    [({"max_concurrent": 3}, "2", 3), ({}, "2", 2), ({}, " 3 ", 3), ({}, "", 4), ({}, None, 4)],
)
def test_the_cluster_says_how_many_where_the_study_does_not(
    tmp_path, monkeypatch, study, cluster, most
):
    if cluster is None:
        monkeypatch.delenv("LKM_TUNE_MAX_CONCURRENT", raising=False)
    else:
        monkeypatch.setenv("LKM_TUNE_MAX_CONCURRENT", cluster)
    tune = Tune(make_study(**study), tmp_path / "ledger")
    assert [tune.ask() is not None for _ in range(5)].count(True) == most


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "²"])
def test_a_wrong_number_of_the_cluster_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("LKM_TUNE_MAX_CONCURRENT", wrong)
    with pytest.raises(ValueError, match=rf"MAX_CONCURRENT must be a whole .* but is '{wrong}'"):
        most_at_once(make_study())


def test_a_trial_makes_room_after_an_epoch_and_goes_on_with_it_later(tune):
    first, second = tune.ask(), tune.ask()
    tune.room.to_give, tune.room.free = 1, 1
    assert tune.reports(first, 2) == "STOP"
    assert tune.reports(second, 2) == "CONTINUE"
    assert tune.ask() is None
    assert tune.record(first).state == "running"
    tune.room.free = 4
    again = tune.ask()
    assert tune.spec(again) == tune.spec(first)
    tune.ends(again)
    assert tune.record(first).state == "complete"


class Arrays(Tune):
    """A study whose trials train five at a time; by default one curve with five γ and one seed."""

    def __init__(self, path, **search):
        curve = CurvePlan(gammas=(0.0, 0.01, 0.1, 1.0, 10.0), seeds=(1,))
        super().__init__(replace(make_study(**{"trials": 0, **search}), curve=curve), path)
        self.searcher.planner.array_size = lambda cell, phase, settings: 5

    def members(self, name):
        config = self.live[name]
        return [one["trial"]["number"] for one in (config, *config["others"])]

    def report(self, name, epoch, *ended, errors=()):
        """An epoch of an array, in which the members at these places diverge; the decision."""
        places = range(len(self.members(name)))
        gone = self.searcher.ended(name)
        errors = dict(zip(places, errors, strict=True)) if errors else dict.fromkeys(places, 1.0)
        reports = [
            report(epoch, "diverged" if k in ended else "", errors[k]) | {"member": k}
            for k in places
            if k not in gone
        ]
        done = all(one["done"] for one in reports)
        return self.hands_over(name, {"epoch": epoch, "members": reports, "done": done})

    @property
    def states(self):
        return [record.state for record in self.searcher.ledger.all_records()]

    @property
    def arrays(self):
        return [record.array for record in self.searcher.ledger.all_records()]


@pytest.fixture
def arrays(tmp_path):
    return Arrays(tmp_path / "ledger")


def test_the_trials_of_an_array_end_one_by_one(arrays):
    name = arrays.ask()
    assert arrays.members(name) == [0, 1, 2, 3, 4]
    assert arrays.arrays == [(0, 1, 2, 3, 4)] * 5
    arrays.report(name, 1)
    arrays.report(name, 2, 3)
    assert arrays.states == ["running"] * 3 + ["diverged", "running"]
    assert arrays.ask() is None
    assert arrays.report(name, 9, 0, 1, 2, 4) == "STOP"
    assert arrays.states == ["diverged"] * 5
    assert arrays.ask() == FINISHED


@pytest.mark.parametrize("error", [MemoryError(), KeyError(3), WorkerCrashedError()])
def test_a_broken_array_is_tried_in_halves_and_then_singly(arrays, tmp_path, error):
    whole = arrays.ask()
    arrays.breaks(whole, error)
    halves = [arrays.ask(), arrays.ask()]
    assert [arrays.members(name) for name in halves] == [[0, 1], [2, 3, 4]]
    assert arrays.arrays == [(0, 1)] * 2 + [(2, 3, 4)] * 3
    arrays.breaks(halves[0], error)
    singles = [arrays.ask(), arrays.ask()]
    assert [arrays.members(name) for name in singles] == [[0], [1]]
    assert arrays.arrays[:2] == [(), ()]
    assert arrays.states == ["running"] * 5
    assert not arrays.live[singles[0]]["alone"], "it may fit now"
    arrays.ends(singles[0])
    assert arrays.states[0] == "complete"
    # The study goes on with the halves and singles of the ledger.
    restarted = Arrays(tmp_path / "ledger")
    assert [restarted.members(restarted.ask()) for _ in range(2)] == [[1], [2, 3, 4]]


def test_a_network_without_arrays_trains_singly_at_once_and_is_remembered(arrays, tmp_path, caplog):
    error = on("A", ArrayError("pamnet cannot train in an array: vmap fails"))
    arrays.breaks(arrays.ask(), error)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == (
        "pamnet cannot train in an array: vmap fails; its trials train one by one from now on"
    )
    assert arrays.arrays == [()] * 5
    assert [arrays.members(arrays.ask()) for _ in range(4)] == [[0], [1], [2], [3]]
    assert arrays.searcher.ledger.without_arrays == {"pamnet"}
    assert Arrays(tmp_path / "ledger").searcher.ledger.without_arrays == {"pamnet"}


def test_a_lost_node_keeps_an_array_whole_and_a_broken_node_is_avoided(arrays):
    first = arrays.ask()
    arrays.breaks(first, NodeDiedError("the node is dead"))
    second = arrays.ask()
    assert arrays.members(second) == [0, 1, 2, 3, 4]
    ecc = RuntimeError("CUDA error: uncorrectable ECC error encountered")
    arrays.breaks(second, on("A", ecc))
    third = arrays.ask()
    assert arrays.members(third) == [0, 1, 2, 3, 4]
    assert arrays.live[third]["avoids"] == ("A",)
    arrays.report(third, 1, 1)
    arrays.breaks(third, on("B", ecc))
    assert [arrays.members(arrays.ask()), arrays.members(arrays.ask())] == [[0, 2], [3, 4]]


def test_an_array_makes_room_and_goes_on_with_it_later(arrays):
    name = arrays.ask()
    arrays.report(name, 1, 4)
    arrays.room.to_give, arrays.room.free = 1, 0
    assert arrays.report(name, 2) == "STOP"
    arrays.room.free = 4
    assert arrays.members(arrays.ask()) == [0, 1, 2, 3]


@pytest.fixture
def searched(tmp_path):
    return Arrays(tmp_path / "ledger", trials=21)


def test_a_rung_stops_the_worse_of_an_array_and_the_others_go_on(searched):
    """All of an array enter the rung before any is judged, so their order does not matter."""
    name = searched.ask()
    assert searched.members(name) == [0, 1, 2, 3, 4]
    assert searched.report(name, 1, errors=(5.0, 1.0, 4.0, 2.0, 3.0)) == "CONTINUE"
    assert searched.states == ["stopped", "running"] + ["stopped"] * 3
    assert searched.searcher.ended(name) == (0, 2, 3, 4)
    assert searched.report(name, 3) == "CONTINUE", "the first at this rung"
    second = searched.ask()
    assert searched.members(second) == [5, 6, 7, 8, 9]
    assert searched.report(second, 1, errors=(6.0, 7.0, 8.0, 9.0, 9.5)) == "STOP"
    assert searched.states[5:] == ["stopped"] * 5
    assert searched.report(name, 9, 1) == "STOP"
    assert searched.states[1] == "diverged"


def test_a_member_that_diverges_at_a_rung_enters_no_rung(searched):
    name = searched.ask()
    assert searched.report(name, 1, 0, errors=(0.0, 4.0, 3.0, 2.0, 1.0)) == "CONTINUE"
    assert searched.states == ["diverged", *["stopped"] * 3, "running"]
    assert [1 in record.rungs for record in searched.searcher.ledger.all_records()] == [
        False, True, True, True, True,
    ]  # fmt: skip


def test_the_rest_of_an_array_goes_on_after_a_restart_and_is_judged_as_before(searched, tmp_path):
    name = searched.ask()
    searched.report(name, 1, errors=(5.0, 1.0, 4.0, 2.0, 3.0))
    restarted = Arrays(tmp_path / "ledger", trials=21)
    again = restarted.ask()
    assert restarted.members(again) == [1]
    assert restarted.reports(again, 1) == "CONTINUE"
    assert restarted.states[1] == "running"


def test_at_a_limit_of_hours_an_array_pauses_at_its_next_rung(tmp_path):
    limited = Arrays(tmp_path / "ledger", trials=21, compute_limit=1.0)
    name = limited.ask()
    limited.spent.cpu = 1.5
    assert limited.report(name, 1, errors=(5.0, 1.0, 4.0, 2.0, 3.0)) == "STOP"
    assert limited.states == ["stopped", "running"] + ["stopped"] * 3
    assert limited.ask() == FINISHED
