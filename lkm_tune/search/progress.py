"""The progress of a study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.use import Spent
from lkm_tune.search.planner import Plan
from lkm_tune.study import Cell, Study, TrialSpec


@dataclass(frozen=True)
class Progress:
    """Counts over a whole study.

    Attributes:
        planned: trials planned so far; looks at the results may add trials.
        ended: trials that have ended in any way.
        running: trials that have begun and not ended.
    """

    planned: int
    ended: int
    running: int

    @property
    def to_end(self) -> int:
        """How many planned trials have not ended."""
        return self.planned - self.ended

    @classmethod
    def of(cls, plan: Plan) -> "Progress":
        """The present counts."""
        records = plan.trials.all_records()
        running = sum(record.state == "running" for record in records)
        return cls(plan.trials_known, len(records) - running, running)

    def seconds_left(self, start: "Progress", elapsed: float, parts: float) -> float | None:
        """Seconds left at the rate of the last `elapsed` seconds; None before an epoch has ended.

        Args:
            start: the progress before that time.
            elapsed: seconds since then.
            parts: what `Parts.done` says now.
        """
        since = self.ended - start.ended + parts
        return (self.to_end - parts) * elapsed / since if since > 0 else None


class Parts:
    """The done parts of the running trials that began with this driver, as a `Listener`.

    A trial of an earlier driver counts at its end: its reports repeat the epochs of that driver.
    """

    def __init__(self, plan: Plan) -> None:
        """Knows the trials that have begun already."""
        self._earlier = {record.spec.key for record in plan.trials.all_records()}
        self._done: dict[str, float] = {}

    @property
    def done(self) -> float:
        """The sum of the done parts, in trials."""
        return sum(self._done.values())

    def began(self, record: TrialRecord) -> None:
        """Nothing is done, or has to be done again."""
        self._done.pop(record.spec.key, None)

    def reported(self, spec: TrialSpec, result: Mapping[str, Any]) -> None:
        """An epoch is done."""
        if spec.key not in self._earlier:
            self._done[spec.key] = result["epoch"] / spec.epochs

    def ended(self, record: TrialRecord) -> None:
        """`Progress.ended` counts the trial now."""
        self._done.pop(record.spec.key, None)

    def interrupted(self, spec: TrialSpec) -> None:
        """The driver ends."""


def hours_of_training(plan: Plan, trials: int) -> float | None:
    """The cost of `trials` further curve points in hours of trials; None without an ended point."""
    seconds = [
        record.summary["seconds"]
        for record in plan.trials.all_records()
        if record.spec.phase == "curve" and record.state == "complete"
    ]
    return trials * sum(seconds) / len(seconds) / 3600 if seconds else None


@dataclass(frozen=True)
class Left:
    """The rest within the limits of a study; None without such a limit.

    Attributes:
        trials: trials that may still begin.
        wall: hours of wall time.
        compute: GPU-hours, or CPU-hours if its trials hold no GPU.
    """

    trials: int | None
    wall: float | None
    compute: float | None

    @classmethod
    def of(cls, study: Study, begun: int, spent: Spent) -> "Left":
        """The rest after `begun` trials and the spent hours."""
        search = study.search
        held, _ = spent.compute
        return cls(
            trials=None if search.trial_limit is None else max(0, search.trial_limit - begun),
            wall=None if search.time_limit is None else max(0.0, search.time_limit - spent.wall),
            compute=None if search.compute_limit is None else max(0.0, search.compute_limit - held),
        )


@dataclass(frozen=True)
class CellProgress:
    """Counts over one cell, and its best search trial so far (or curve point, without a search).

    Without a driver, running trials of the ledger count as interrupted.
    """

    cell: Cell
    search: dict[str, int]
    curve: dict[str, int]
    best: TrialRecord | None

    @classmethod
    def of(cls, plan: Plan, cell: Cell, driven: bool) -> "CellProgress":
        """The present numbers of search trials and curve points by state."""
        trials = plan.trials
        searches = trials.records(cell, "search") + trials.records(cell, "control")
        points = trials.records(cell, "curve") + trials.records(cell, "control_curve")
        return cls(
            cell=cell,
            search=_by_state(searches, driven),
            curve=_by_state(points, driven),
            best=trials.best(cell, "search" if plan.study.search.trials else "curve"),
        )


def _by_state(records: list[TrialRecord], driven: bool) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        state = "interrupted" if record.state == "running" and not driven else record.state
        counts[state] = counts.get(state, 0) + 1
    return counts
