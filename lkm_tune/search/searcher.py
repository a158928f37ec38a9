"""The study as Tune sees it: a searcher that hands out its trials, a scheduler that stops some."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from lkm_tune.search.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.study import TrialSpec

STOPPED = "stopped by successive halving"
# How much of an error's text is kept.
ERROR_LINES = 8


class StudySearcher(Searcher):
    """Hands the planner's trials to Tune and enters their ends into the ledger.

    It keeps nothing that the ledger does not have, so Tune's snapshots of it are empty.
    """

    def __init__(
        self,
        planner: Planner,
        config_of: Callable[[TrialSpec], dict[str, Any]],
        on_end: Callable[[TrialSpec], None],
        slots: Callable[[], int],
    ) -> None:
        """Nothing is asked of the planner yet.

        Args:
            planner: of the study.
            config_of: makes the Tune config of a trial.
            on_end: hears of every trial's end.
            slots: how many trials the cluster holds at present. No more are handed out: what
                waits would have been suggested with less knowledge, and a waiting trial takes
                over the actor of the next one that ends while its own is still starting.
        """
        super().__init__(metric="val_error", mode="min")
        self.planner = planner
        self.ledger: Ledger = planner.ledger
        self.errors: dict[str, str] = {}
        self.limit_reached = False
        self._config_of = config_of
        self._on_end = on_end
        self._live: dict[str, TrialSpec] = {}
        self._slots = slots
        plan = planner.study.search
        self._most = plan.max_concurrent or sys.maxsize
        self._deadline = time.monotonic() + 3600 * plan.time_limit if plan.time_limit else None

    def suggest(self, trial_id: str) -> Any:
        """The next trial's config, None while there is none, FINISHED at the end."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.limit_reached = not self.planner.finished
            return str(Searcher.FINISHED)
        if len(self._live) >= min(self._slots(), self._most):
            return None
        spec = self.planner.next()
        if spec is None:
            return str(Searcher.FINISHED) if self.planner.finished else None
        self._live[trial_id] = spec
        return self._config_of(spec)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: the scheduler has entered it where it matters."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Enters how a trial ended: Tune shows the result at which it stops a trial only here."""
        spec = self._live.pop(trial_id)
        prefix = "summary/"
        summary = {
            key.removeprefix(prefix): value
            for key, value in (result or {}).items()
            if key.startswith(prefix)
        }
        if error:
            self.ledger.finish(spec, "failed", {}, self.errors.get(spec.key, "unknown error"))
        elif summary:
            self.ledger.finish(spec, summary["outcome"], summary, summary["reason"])
        elif result:
            # Its epochs count: what a search costs includes what was stopped.
            reached = {"epoch": result["epoch"], "val_error": result["best_error"]}
            self.ledger.finish(spec, "stopped", reached, STOPPED)
        else:
            return  # Ended before its first result: it stays as it is and is issued again.
        self._on_end(spec)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has it."""


class CellScheduler(FIFOScheduler):
    """Stops search trials by successive halving within their cell; curve points never."""

    def __init__(self, searcher: StudySearcher) -> None:
        """Judges by the searcher's ledger."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Judges a trial that has reached a rung."""
        spec = TrialSpec.from_dict(trial.config["trial"])
        if self._searcher.ledger.goes_on(spec, result["epoch"], result["best_error"]):
            return str(TrialScheduler.CONTINUE)
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Remembers the last lines of an error, for the record if the trial is given up."""
        spec = TrialSpec.from_dict(trial.config["trial"])
        # Tune's own getters look where it has not copied the file to yet.
        text = Path(trial.error_file).read_text() if trial.error_file else "unknown error"
        self._searcher.errors[spec.key] = "\n".join(text.strip().splitlines()[-ERROR_LINES:])
