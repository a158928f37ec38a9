"""How far a study is, as data to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.datasets import find_task
from lkm_tune.search.planner import Plan
from lkm_tune.search.progress import CellProgress, Progress


@dataclass(frozen=True)
class CellStatus:
    """One cell.

    Attributes:
        name: for people.
        model: as a study names it.
        task: in its own spelling.
        n_train: training samples.
        compared: what tells it from other cells of its model and task.
        search: number of search trials by state, of the control's search too.
        curve: number of curve points by state.
        best: settings and result of the best search trial so far; without a search, of the best
            curve point. None before there is one.
        unit: of the errors.
    """

    name: str
    model: str
    task: str
    n_train: int
    compared: Mapping[str, Any]
    search: Mapping[str, int]
    curve: Mapping[str, int]
    best: Mapping[str, Any] | None
    unit: str


@dataclass(frozen=True)
class StudyProgress:
    """Counts over a whole study.

    Attributes:
        planned: trials that the study's plan has in all.
        ended: trials that have ended, however they did.
        running: trials that have begun and not ended.
        elapsed: seconds since this driver began.
        seconds_left: at the rate so far; None before a trial has ended.
        next_look: the number of seeds at which the results are looked at next, which may add
            trials; None if never again.
        cells: the same cell by cell.
    """

    planned: int
    ended: int
    running: int
    elapsed: float
    seconds_left: float | None
    next_look: int | None
    cells: tuple[CellStatus, ...]


def cell_statuses(plan: Plan, driven: bool) -> tuple[CellStatus, ...]:
    """The present state of every cell.

    Args:
        plan: of the study.
        driven: whether a driver runs the study; if not, its running trials are interrupted.
    """
    return tuple(_status(plan, CellProgress.of(plan, cell, driven)) for cell in plan.study.cells)


def progress_since(plan: Plan, start: Progress, elapsed: float) -> StudyProgress:
    """The present state of a study that this driver began `elapsed` seconds ago, at `start`."""
    now = Progress.of(plan)
    return StudyProgress(
        planned=now.planned,
        ended=now.ended,
        running=now.running,
        elapsed=elapsed,
        seconds_left=now.seconds_left(start, elapsed),
        next_look=plan.next_look,
        cells=cell_statuses(plan, driven=True),
    )


def _status(plan: Plan, counts: CellProgress) -> CellStatus:
    cell, best = counts.cell, counts.best
    return CellStatus(
        name=str(cell),
        model=cell.model,
        task=cell.task,
        n_train=cell.n_train,
        compared=dict(cell.compared),
        search=counts.search,
        curve=counts.curve,
        best={**best.spec.settings, **best.summary} if best else None,
        unit=find_task(cell.task, plan.study.data_plan(cell.task)).unit,
    )
