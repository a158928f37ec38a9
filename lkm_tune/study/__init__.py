"""Studies: the study file of a user, and its cells and trials."""

from lkm_tune.study.catalog import Catalog
from lkm_tune.study.change import Change, compare
from lkm_tune.study.check_plans import advice
from lkm_tune.study.plan import (
    CurvePlan,
    DataPlan,
    LkmOptions,
    ReportPlan,
    Resources,
    SearchPlan,
    TrainingPlan,
)
from lkm_tune.study.plan_size import PlanSummary, plan_summary
from lkm_tune.study.problem import Problem, StudyError
from lkm_tune.study.record import digest, study_from_dict, study_to_dict, study_to_file
from lkm_tune.study.run_file import load_run_config
from lkm_tune.study.shipped import find_study, shipped_studies
from lkm_tune.study.space import Choice, FloatRange, IntRange, Range, Space
from lkm_tune.study.study import GAMMA, Study
from lkm_tune.study.study_file import load_study
from lkm_tune.study.trial import APART, SEARCHES, Cell, Phase, RunConfig, TrialSpec

__all__ = [
    "APART",
    "GAMMA",
    "SEARCHES",
    "Catalog",
    "Cell",
    "Change",
    "Choice",
    "CurvePlan",
    "DataPlan",
    "FloatRange",
    "IntRange",
    "LkmOptions",
    "Phase",
    "PlanSummary",
    "Problem",
    "Range",
    "ReportPlan",
    "Resources",
    "RunConfig",
    "SearchPlan",
    "Space",
    "Study",
    "StudyError",
    "TrainingPlan",
    "TrialSpec",
    "advice",
    "compare",
    "digest",
    "find_study",
    "load_run_config",
    "load_study",
    "plan_summary",
    "shipped_studies",
    "study_from_dict",
    "study_to_dict",
    "study_to_file",
]
