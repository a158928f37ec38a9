"""The study as Tune sees it: a searcher that hands out its trials, a scheduler that stops some."""

import sys
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from lkm_tune.ledger.failure import ENDINGS, judge
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.broken import failure_of
from lkm_tune.search.cluster.slots import Slots
from lkm_tune.search.limits import Limits
from lkm_tune.search.planner import Planner
from lkm_tune.study import TrialSpec


class StudySearcher(Searcher):
    """Hands the planner's trials to Tune and tells the ledger of their ends.

    Every attempt at a trial is a Tune trial of its own: one that broke is handed out again, with
    a node to itself where memory was short, until the ledger says that it is given up.

    It keeps nothing that the ledger does not have.
    """

    def __init__(
        self,
        planner: Planner,
        config_of: Callable[[TrialSpec, bool], dict[str, Any]],
        on_end: Callable[[TrialSpec], None],
        slots: Callable[[], Slots],
        limits: Limits,
        has_started: Callable[[str], bool],
    ) -> None:
        """Nothing is asked of the planner yet.

        Args:
            planner: of the study.
            config_of: makes the Tune config of a trial, alone on its node or not.
            on_end: hears of every trial's end.
            slots: what the cluster holds at present. No more trials are handed out: what
                waits would have been suggested with less knowledge, and a waiting trial takes
                over the actor of the next one that ends while its own is still starting.
            limits: of the study.
            has_started: whether a Tune trial has got the resources that it asked for.
        """
        super().__init__(metric="val_error", mode="min")
        self.planner = planner
        self.ledger: Ledger = planner.ledger
        self.limits = limits
        self.paused: set[str] = set()
        self.ending: Exception | None = None
        self._config_of = config_of
        self._on_end = on_end
        self._live: dict[str, TrialSpec] = {}
        self._again: list[TrialSpec] = []
        self._alone: set[str] = set()
        self._slots = slots
        self._has_started = has_started
        # At which state of the ledger the planner had nothing: Tune asks a hundred times a second.
        self._nothing_at = -1

    def suggest(self, trial_id: str) -> Any:
        """The next trial's config, None while there is none, FINISHED at the end."""
        if self.ending or self.limits.spent:
            return str(Searcher.FINISHED)
        if not self._room():
            return None
        if not self._again and self._nothing_at == self.ledger.changes:
            return None
        full = self.limits.full
        spec = self._again.pop(0) if self._again else self.planner.take_next(begin=not full)
        if spec is None:
            self._nothing_at = self.ledger.changes
            # What runs within the limit may break, and is then handed out again.
            over = not self._live if full else self.planner.finished
            return str(Searcher.FINISHED) if over else None
        alone = judge(self.ledger.record(spec).failures) == "alone"
        self._live[trial_id] = spec
        if alone:
            self._alone.add(trial_id)
        return self._config_of(spec, alone)

    def _room(self) -> bool:
        # What others begin meanwhile would keep every node busy for a trial that needs a whole one.
        if any(not self._has_started(trial_id) for trial_id in self._alone):
            return False
        slots = self._slots()
        most = self.planner.study.search.max_concurrent or sys.maxsize
        held = len(self._live) + len(self._alone) * (slots.of_a_whole - 1)
        return held < slots.all and len(self._live) < most

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: the scheduler has entered it where it matters."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tells the ledger of an end: Tune shows the result at which it stops a trial only here."""
        self._alone.discard(trial_id)
        spec = self._live.pop(trial_id, None)
        if spec is None or not result or trial_id in self.paused:
            # It broke, which was told before; or it stays as it is and is issued again, now or
            # when the study goes on.
            return
        prefix = "summary/"
        summary = {
            key.removeprefix(prefix): value
            for key, value in result.items()
            if key.startswith(prefix)
        }
        self.ledger.end(spec, {**result, "summary": summary})
        self._on_end(spec)

    def on_broken(self, trial_id: str, error: Exception, reported: int) -> None:
        """An attempt broke.

        Args:
            trial_id: Tune's name of the trial.
            error: what broke it.
            reported: the last epoch that it had reported.
        """
        spec = self._live.pop(trial_id, None)
        if spec is None:
            return
        failure = failure_of(error, reported)
        if failure.cause in ENDINGS:
            self.ending = ENDINGS[failure.cause](failure.reason)
        elif self.ledger.break_off(spec, failure) in ("again", "alone"):
            self._again.append(spec)
        else:
            self._on_end(spec)


class CellScheduler(FIFOScheduler):
    """Stops search trials by successive halving within their cell; curve points never."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Judges by the searcher's ledger."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judges a trial that has reached a rung."""
        spec, epoch = _spec(trial), result["epoch"]
        ledger = self._searcher.ledger
        ledger.enter_rung(spec, epoch, result["best_error"])
        if not ledger.survives(spec, epoch):
            return str(TrialScheduler.STOP)
        if self._searcher.limits.has_to_pause(spec, epoch):
            self._searcher.paused.add(trial.trial_id)
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)


class LedgerRelay(Callback):
    """Tells the ledger of starts and epochs of trials: Tune shows every epoch only here."""

    def __init__(self, ledger: Ledger) -> None:
        """Of the study."""
        self._ledger = ledger

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial starts, or goes on elsewhere."""
        self._ledger.start(_spec(trial))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """An epoch is over."""
        self._ledger.report(_spec(trial), result)


def _spec(trial: Trial) -> TrialSpec:
    return TrialSpec.from_dict(trial.config["trial"])
