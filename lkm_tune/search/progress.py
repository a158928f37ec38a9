"""How far a study is."""

from dataclasses import dataclass

from lkm_tune.search.ledger import Record
from lkm_tune.search.planner import Planner
from lkm_tune.study import Cell, plan_summary


@dataclass(frozen=True)
class Progress:
    """Counts over a whole study.

    Attributes:
        planned: trials that the study's plan has in all.
        ended: trials that have ended, however they did.
        running: trials that are being run.
    """

    planned: int
    ended: int
    running: int

    @classmethod
    def of(cls, planner: Planner) -> "Progress":
        """The present counts."""
        records = planner.ledger.all_records()
        running = sum(record.state == "running" for record in records)
        return cls(plan_summary(planner.study).trials, len(records) - running, running)

    def seconds_left(self, start: "Progress", elapsed: float) -> float | None:
        """At the rate since `start`, `elapsed` seconds ago; None before any trial has ended."""
        since = self.ended - start.ended
        return (self.planned - self.ended) * elapsed / since if since > 0 else None


@dataclass(frozen=True)
class CellProgress:
    """Counts over one cell, and the best validation error of its search so far."""

    cell: Cell
    search: dict[str, int]
    curve: dict[str, int]
    best: Record | None

    @classmethod
    def of(cls, planner: Planner, cell: Cell) -> "CellProgress":
        """The present counts by state, of searches and of curve points."""
        ledger = planner.ledger
        return cls(
            cell=cell,
            search=_by_state(ledger.records(cell, "search") + ledger.records(cell, "control")),
            curve=_by_state(ledger.records(cell, "curve") + ledger.records(cell, "control_curve")),
            best=ledger.best(cell, "search"),
        )


def _by_state(records: list[Record]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state] = counts.get(record.state, 0) + 1
    return counts
