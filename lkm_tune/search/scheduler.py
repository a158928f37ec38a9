"""What Tune's results mean for the ledger: epochs, rungs, and the ends of trials."""

from collections.abc import Iterator
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from lkm_tune.search.planner import Array
from lkm_tune.search.searcher import StudySearcher
from lkm_tune.study import TrialSpec


class CellScheduler(FIFOScheduler):
    """Stops search trials by successive halving within their cell; it never stops curve points."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Uses the searcher's ledger."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judges the trials that have reached a rung; Tune's trial stops when none goes on."""
        self._searcher.worked(result.get("node", ""))
        ledger = self._searcher.ledger
        reached = [(spec, one) for spec, one in _reports(trial, result) if not one["done"]]
        # The trials of an array reach a rung together: each is judged by all of them.
        for spec, report in reached:
            ledger.enter_rung(spec, report["epoch"], report["best_error"])
        going = [spec for spec, report in reached if ledger.survives(spec, report["epoch"])]
        if not going or self._searcher.limits.has_to_pause(going[0], result["epoch"]):
            return str(TrialScheduler.STOP)
        if result.get("kept", True) and self._searcher.makes_room(trial.trial_id):
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)


class LedgerRelay(Callback):
    """Reports starts, epochs and ends of trials to the ledger: only callbacks get every epoch."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Uses the searcher's ledger."""
        self._searcher, self._ledger = searcher, searcher.ledger

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial starts, or continues elsewhere."""
        for spec in _array(trial):
            self._ledger.start(spec)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """An epoch has ended, perhaps the last of a trial."""
        reports = list(_reports(trial, result))
        for spec, report in reports:
            self._ledger.report(spec, report)
        for spec, report in reports:
            # Tune also sets `done` in a trial that goes on later.
            if "summary" in report or not self._ledger.survives(spec, report["epoch"]):
                self._searcher.end(spec, report)


def _array(trial: Trial) -> Array:
    all_ = [trial.config, *trial.config.get("others", ())]
    return tuple(TrialSpec.from_dict(one["trial"]) for one in all_)


def _reports(trial: Trial, result: dict[str, Any]) -> Iterator[tuple[TrialSpec, dict[str, Any]]]:
    """The trials that have made an epoch, with their reports."""
    array = _array(trial)
    if len(array) == 1:
        yield array[0], result
    else:
        yield from ((array[report["member"]], report) for report in result["members"])
