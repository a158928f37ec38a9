"""Studies: what a user may write, and the cells and trials that it stands for."""

from lkm_tune.study.plan import (
    CurvePlan,
    DataPlan,
    LkmOptions,
    Resources,
    SearchPlan,
    TrainingPlan,
)
from lkm_tune.study.space import Choice, FloatRange, IntRange, Range, Space
from lkm_tune.study.study import GAMMA, Study
from lkm_tune.study.trial import Cell, Phase, RunConfig, TrialSpec

__all__ = [
    "GAMMA",
    "Cell",
    "Choice",
    "CurvePlan",
    "DataPlan",
    "FloatRange",
    "IntRange",
    "LkmOptions",
    "Phase",
    "Range",
    "Resources",
    "RunConfig",
    "SearchPlan",
    "Space",
    "Study",
    "TrainingPlan",
    "TrialSpec",
]
