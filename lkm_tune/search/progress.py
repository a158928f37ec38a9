"""The progress of a study."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.use import Spent
from lkm_tune.search.planner import Plan
from lkm_tune.study import SEARCHES, Cell, Study, TrialSpec


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

    def seconds_left(self, start: "Progress", elapsed: float, parts: "Parts") -> float | None:
        """Seconds left at the rate of the last `elapsed` seconds; None before an epoch has ended.

        At the end of a study fewer trials run than before: it takes at least as long as the
        slowest of them.

        Args:
            start: the progress before that time.
            elapsed: seconds since then.
            parts: the parts of running trials.
        """
        since = self.ended - start.ended + parts.done
        left = self.to_end - parts.done - parts.earlier
        return max(left * elapsed / since, parts.slowest) if since > 0 else None


REPEATED_S = 2.0
"""A continued trial repeats the reports of its earlier epochs in less than this time."""


class Parts:
    """The parts of the running trials that are done, as a `Listener`."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        """Knows the trials that an earlier driver has begun.

        Args:
            plan: the plan of the study.
            clock: returns the time in seconds.
        """
        self._continued = {record.spec.key for record in plan.trials.all_records()}
        self._clock = clock
        self._first: dict[str, tuple[float, float]] = {}  # Time, and part without a new epoch.
        self._now: dict[str, float] = {}
        self._left: dict[str, float] = {}

    @property
    def earlier(self) -> float:
        """The parts that an earlier driver has done, in trials."""
        return sum(part for key, (_, part) in self._first.items() if key in self._continued)

    @property
    def done(self) -> float:
        """The parts that this driver has done, in trials."""
        return sum(self._now.values()) - self.earlier

    @property
    def slowest(self) -> float:
        """The longest time to its end of a curve point, in seconds; 0 if unknown."""
        return max(self._left.values(), default=0.0)

    def began(self, record: TrialRecord) -> None:
        """Nothing is done, or has to be done again."""
        self.ended(record)

    def reported(self, spec: TrialSpec, result: Mapping[str, Any]) -> None:
        """An epoch is done."""
        key, now, part = spec.key, self._clock(), result["epoch"] / spec.epochs
        self._now[key] = part
        time_of_first, first = self._first.setdefault(key, (now, part))
        if key in self._continued and now - time_of_first < REPEATED_S:
            self._first[key] = time_of_first, part
        # Halving may stop a trial of a search at its next rung.
        elif spec.phase not in SEARCHES and part > first:
            self._left[key] = (1 - part) * (now - time_of_first) / (part - first)

    def ended(self, record: TrialRecord) -> None:
        """`Progress.ended` counts the trial now."""
        for known in (self._first, self._now, self._left):
            known.pop(record.spec.key, None)

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
