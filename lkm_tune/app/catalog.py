"""The models and tasks that a study may name."""

from collections.abc import Mapping
from typing import Any

from lkm_tune.app.working_folder import settings_of_own
from lkm_tune.datasets import TASKS, Task, find_task, usual_sizes
from lkm_tune.datasets.own_file import FILE
from lkm_tune.models import MODELS, model_settings
from lkm_tune.study import Catalog, DataPlan, TrainingPlan
from lkm_tune.training import check_learnable, check_settings


def list_tasks() -> Mapping[str, Task]:
    """The tasks on public datasets, each with its targets and units."""
    return TASKS


def list_models() -> Mapping[str, Mapping[str, Any]]:
    """The models of the package, each with its settings and their defaults."""
    return {name: model_settings(name) for name in MODELS}


def make_catalog() -> Catalog:
    """The catalog for reading a study file."""
    return Catalog(
        models=list_models(),
        tasks=tuple(TASKS),
        other_task=_other_task,
        usual_data=_usual_data,
        own_model=settings_of_own,
        try_model=check_settings,
        try_task=_try_task,
    )


def _usual_data(name: str, data: DataPlan) -> DataPlan:
    return usual_sizes(find_task(name, data), data)


def _try_task(
    model: str, settings: Mapping[str, Any], name: str, data: DataPlan, plan: TrainingPlan
) -> None:
    check_learnable(model, settings, find_task(name, data), plan.force_weight)


def _other_task(name: str, data: DataPlan) -> str:
    if name.lower().startswith(FILE):
        return find_task(name, data).name
    try:
        return find_task(name).name
    except ValueError as error:
        # Only names with a known beginning get the error that explains these tasks.
        raise LookupError(name) from error
