"""Checks a study without running it, and estimates its cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import StudyLike, read_study
from lkm_tune.search.judgement import largest_plan
from lkm_tune.study import PlanSummary, Study, advice, find_study, plan_summary

if TYPE_CHECKING:
    from lkm_tune.search.cost import CellCost
    from lkm_tune.search.gpu_cost import GpuCost


@dataclass(frozen=True)
class StudyCheck:
    """A study without errors.

    Attributes:
        source: the study's file, or its name if it has no file.
        study: the study.
        plan: numbers of cells, trials and epochs.
        most: these numbers if every pair of cells stays undecided; equal to `plan` without
            `curve.until: decided`.
        advice: sentences on settings that weaken the answer.
    """

    source: str
    study: Study
    plan: PlanSummary
    most: PlanSummary
    advice: tuple[str, ...]


def check_study(study: StudyLike, overrides: Iterable[str] = ()) -> StudyCheck:
    """Checks the keys of a study; opens no data.

    Args:
        study: a path, the name of a shipped study, the content of a study file, or a `Study`.
        overrides: texts such as `search.trials=20`, which replace keys of the study.

    Raises:
        LkmTuneError: with every error of the study, its file and line, and the valid values.
    """
    with user_errors():
        checked = read_study(study, overrides)
        source = checked.name if isinstance(study, Study | Mapping) else find_study(str(study))
    plan, most = plan_summary(checked), largest_plan(checked)
    return StudyCheck(str(source), checked, plan, most, tuple(advice(checked)))


def study_cost(study: Study, cache: str | Path | None = None) -> "tuple[CellCost, ...]":
    """Opens the data of every cell and times a few training steps.

    Args:
        study: a checked study.
        cache: the folder of prepared data; None for the default.

    Raises:
        LkmTuneError: if the data are missing, damaged, or too few for the study.
    """
    from lkm_tune.search.checked_data import check_data
    from lkm_tune.search.cost import estimate

    with user_errors():
        # The steps need few samples; the study itself may need more than there are.
        folder = Path(cache) if cache else None
        check_data(study, folder)
        return tuple(estimate(study, folder))


def study_gpu_cost(study: Study, cache: str | Path | None = None) -> "tuple[GpuCost, ...]":
    """Estimates the cost of a study for GPUs on a machine without one; measures nothing.

    Args:
        study: a checked study.
        cache: the folder of prepared data; None for the default.

    Returns:
        An estimate for each of some cards; none if trials hold no GPU or a GPU is visible.

    Raises:
        LkmTuneError: if the data are missing or damaged.
    """
    from lkm_tune.search.gpu_cost import gpu_costs

    with user_errors():
        return gpu_costs(study, Path(cache) if cache else None)
