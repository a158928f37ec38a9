"""The progress of a study, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.datasets import find_task
from lkm_tune.search.planner import Plan
from lkm_tune.search.progress import CellProgress, Parts, Progress


@dataclass(frozen=True)
class CellStatus:
    """The progress of one cell.

    Attributes:
        name: name for people.
        model: name of the model.
        task: canonical name of the task.
        n_train: training samples.
        compared: the compared settings with their values.
        search: number of search trials by state, including the search of the control.
        curve: number of curve points by state.
        best: settings and result of the best search trial so far, or of the best curve point of a
            cell without a search. None before the first result.
        unit: unit of the errors.
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
        planned: trials of the study's plan.
        ended: trials that have ended in any way.
        running: trials that have begun and not ended.
        elapsed: seconds since this driver began.
        seconds_left: time left at the rate so far; None before an epoch has ended.
        next_look: the number of seeds of the next look, which may add trials; None without a next
            look.
        cells: the progress of each cell.
        waiting: whether no trial runs because the cluster has no room for one.
    """

    planned: int
    ended: int
    running: int
    elapsed: float
    seconds_left: float | None
    next_look: int | None
    cells: tuple[CellStatus, ...]
    waiting: bool


def cell_statuses(plan: Plan, driven: bool) -> tuple[CellStatus, ...]:
    """The present state of every cell.

    Args:
        plan: the plan of the study.
        driven: whether a driver runs the study. Without a driver, running trials count as
            interrupted.
    """
    return tuple(_status(plan, CellProgress.of(plan, cell, driven)) for cell in plan.study.cells)


def progress_since(
    plan: Plan, start: Progress, elapsed: float, parts: Parts, *, waiting: bool
) -> StudyProgress:
    """The present progress of a study, whose progress was `start` `elapsed` seconds ago.

    Args:
        plan: its plan.
        start: the progress at the start of this driver.
        elapsed: seconds since then.
        parts: the done parts of running trials.
        waiting: whether no trial runs because the cluster has no room for one.
    """
    now = Progress.of(plan)
    return StudyProgress(
        planned=now.planned,
        ended=now.ended,
        running=now.running,
        elapsed=elapsed,
        seconds_left=now.seconds_left(start, elapsed, parts),
        next_look=plan.next_look,
        cells=cell_statuses(plan, driven=True),
        waiting=waiting,
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
