"""What Tune's results mean for the ledger: epochs, rungs, and the ends of an array's trials."""

from collections.abc import Iterator
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from lkm_tune.search.searcher import Array, StudySearcher
from lkm_tune.study import TrialSpec


class CellScheduler(FIFOScheduler):
    """Stops search trials by successive halving within their cell; it never stops curve points."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Uses the searcher's ledger."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Judges a trial that has reached a rung."""
        self._searcher.worked(result.get("node", ""))
        ledger = self._searcher.ledger
        # Arrays consist of curve points, which have no rungs.
        for spec, report in _reports(trial, result):
            epoch = report["epoch"]
            ledger.enter_rung(spec, epoch, report["best_error"])
            if not ledger.survives(spec, epoch):
                return str(TrialScheduler.STOP)
            if self._searcher.limits.has_to_pause(spec, epoch):
                self._searcher.paused.add(trial.trial_id)
                return str(TrialScheduler.STOP)
        if result.get("kept", True) and self._searcher.makes_room(trial.trial_id):
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)


class LedgerRelay(Callback):
    """Reports starts and epochs of trials to the ledger: only callbacks get every epoch.

    It also reports the ends of an array's trials, which the array may outlive.
    """

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
        """An epoch has ended."""
        reports = list(_reports(trial, result))
        for spec, report in reports:
            self._ledger.report(spec, report)
        for spec, report in reports:
            if len(_array(trial)) > 1 and "summary" in report:
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
