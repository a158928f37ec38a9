"""`lkm-tune models` and `lkm-tune tasks`: what a study may name."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from lkm_tune.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lkm_tune.study import Catalog, DataPlan


def make_catalog() -> "Catalog":
    """The models and tasks that exist, for reading a study file."""
    import torch

    from lkm_tune.cli.own import settings_of_own
    from lkm_tune.datasets import TASKS, find_task, usual_sizes
    from lkm_tune.models import MODELS, build_model, is_own, model_settings
    from lkm_tune.study import Catalog, DataPlan, TrainingPlan
    from lkm_tune.training import check_learnable

    def try_model(name: str, settings: "Mapping[str, Any]") -> None:
        # Only to see whether it can be built. What a user's own code does is not ours to change.
        with nullcontext() if is_own(name) else torch.device("meta"):
            build_model(name, **settings)

    def usual_data(name: str, data: DataPlan) -> DataPlan:
        return usual_sizes(find_task(name, data), data)

    def try_task(
        model: str, settings: "Mapping[str, Any]", name: str, data: DataPlan, plan: TrainingPlan
    ) -> None:
        check_learnable(model, settings, find_task(name, data), plan.force_weight)

    return Catalog(
        models={name: model_settings(name) for name in MODELS},
        tasks=tuple(TASKS),
        other_task=_other_task,
        usual_data=usual_data,
        own_model=settings_of_own,
        try_model=try_model,
        try_task=try_task,
    )


def _other_task(name: str, data: "DataPlan") -> str:
    from lkm_tune.datasets import find_task
    from lkm_tune.datasets.own import FILE

    if name.lower().startswith(FILE):
        return find_task(name, data).name
    try:
        return find_task(name).name
    except ValueError as error:
        # Only what begins like a task that can be made is told how to make it.
        raise LookupError(name) from error


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the models of the package with their settings and defaults."""
    import json

    known = make_catalog().models
    if as_json:
        click.echo(json.dumps({name: dict(settings) for name, settings in known.items()}))
        return
    for name, settings in known.items():
        click.echo(name)
        click.echo("  " + ", ".join(f"{key}={value}" for key, value in settings.items()))


@click.command()
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks with the unit of their errors."""
    import json
    from dataclasses import asdict

    from lkm_tune.datasets import TASKS

    if as_json:
        click.echo(json.dumps([asdict(task) for task in TASKS.values()]))
        return
    for task in TASKS.values():
        click.echo(f"{task.name:<20} {task.meaning}, error in {task.unit}")
