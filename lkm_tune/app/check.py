"""Checks a study without running it, and estimates its cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import StudyLike, read_study
from lkm_tune.study import Cell, PlanSummary, Study, advice, find_study, plan_summary


@dataclass(frozen=True)
class StudyCheck:
    """A study without errors.

    Attributes:
        source: its file; its name where it came from no file.
        study: as it was read.
        plan: its numbers of cells, trials and epochs.
        most: its numbers if every pair of cells stays undecided; the same without
            `curve.until: decided`.
        advice: what may be other than intended, in sentences.
    """

    source: str
    study: Study
    plan: PlanSummary
    most: PlanSummary
    advice: tuple[str, ...]


@dataclass(frozen=True)
class CellCost:
    """The cost of one cell on one thread of this machine.

    Attributes:
        cell: which one.
        seconds_per_epoch: training and validation, at settings in the middle of their ranges.
        seconds: of all that the plan expects to train.
    """

    cell: Cell
    seconds_per_epoch: float
    seconds: float


def check_study(study: StudyLike, overrides: Iterable[str] = ()) -> StudyCheck:
    """Checks what a study says; opens no data.

    Args:
        study: a path, the name of a shipped study, the content of a study file, or a `Study`.
        overrides: texts `key=value`, as `search.trials=20`, that replace what the study says.

    Raises:
        LkmTuneError: with every error of the study, its file and line, and what would be valid.
    """
    with user_errors():
        checked = read_study(study, overrides)
        source = checked.name if isinstance(study, Study | Mapping) else find_study(str(study))
    seeds = checked.curve.max_seeds if checked.curve.adaptive else None
    plan, most = plan_summary(checked), plan_summary(checked, seeds)
    return StudyCheck(str(source), checked, plan, most, tuple(advice(checked)))


def study_cost(study: Study, cache: Path | None = None) -> tuple[CellCost, ...]:
    """Opens the data of every cell and times a few training steps.

    Args:
        study: that was checked.
        cache: folder of prepared data; None for the default.

    Raises:
        LkmTuneError: if the data are missing, damaged, or fewer than the study asks for.
    """
    from lkm_tune.search.cost import estimate

    with user_errors():
        return tuple(
            CellCost(cell, cost.seconds_per_epoch, cost.seconds)
            for cell, cost in estimate(study, cache)
        )
