"""The study as Tune sees it: a searcher that hands out its trials, a scheduler that stops some."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from lkm_tune.ledger.failure import ENDINGS, Failure, explain, failure_from, judge
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.cluster.slots import Slots
from lkm_tune.search.limits import Limits
from lkm_tune.search.planner import Planner
from lkm_tune.study import TrialSpec

STOPPED = "stopped by successive halving"


class StudySearcher(Searcher):
    """Hands the planner's trials to Tune and enters their ends into the ledger.

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
        self.failures: dict[str, Failure] = {}
        self.limits = limits
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
        spec = self._again.pop(0) if self._again else self.planner.next(begin=not full)
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
        """Enters how a trial ended: Tune shows the result at which it stops a trial only here."""
        spec = self._live.pop(trial_id)
        self._alone.discard(trial_id)
        if error:
            self._broke(spec)
            return
        if not result or trial_id in self.limits.halted:
            return  # It stays as it is and is issued again, now or when the study goes on.
        prefix = "summary/"
        summary = {
            key.removeprefix(prefix): value
            for key, value in result.items()
            if key.startswith(prefix)
        }
        if summary:
            self._finish(spec, summary["outcome"], summary, summary["reason"])
        else:
            # Its epochs count: what a search costs includes what was stopped.
            reached = {
                "epoch": result["epoch"],
                "val_error": result["best_error"],
                "seconds": result["trained_seconds"],
                "device": result["device"],
            }
            self._finish(spec, "stopped", reached, STOPPED)

    def _broke(self, spec: TrialSpec) -> None:
        failure = self.failures[spec.key]
        if failure.cause in ENDINGS:
            self.ending = ENDINGS[failure.cause](failure.reason)
            return
        failures = self.ledger.note_failure(spec, failure)
        verdict = judge(failures)
        if verdict in ("again", "alone"):
            self._again.append(spec)
        else:
            self._finish(spec, verdict, {}, explain(failures))

    def _finish(self, spec: TrialSpec, state: str, summary: dict[str, Any], reason: str) -> None:
        self.ledger.finish(spec, state, summary, reason)
        self._on_end(spec)


class CellScheduler(FIFOScheduler):
    """Stops search trials by successive halving within their cell; curve points never."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Judges by the searcher's ledger."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Judges a trial that has reached a rung."""
        spec = TrialSpec.from_dict(trial.config["trial"])
        if not self._searcher.ledger.goes_on(spec, result["epoch"], result["best_error"]):
            return str(TrialScheduler.STOP)
        if self._searcher.limits.halts(trial.trial_id, spec, result["epoch"]):
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Keeps what an attempt's error says: the searcher hears next that it broke."""
        spec = TrialSpec.from_dict(trial.config["trial"])
        # Tune's own getters look where it has not copied the file to yet.
        text = Path(trial.error_file).read_text() if trial.error_file else "unknown error"
        reported = (trial.last_result or {}).get("epoch", 0)
        self._searcher.failures[spec.key] = failure_from(text, reported)
