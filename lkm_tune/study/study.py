"""A study: what a user may write, as one frozen dataclass.

The valid keys of a file are the fields of this class and of its parts; there is no second list.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from lkm_tune.study.plan import (
    CurvePlan,
    DataPlan,
    LkmOptions,
    Resources,
    SearchPlan,
    Seed,
    TrackingPlan,
    TrainingPlan,
)
from lkm_tune.study.space import STRICT, FloatRange, Space
from lkm_tune.study.trial import Cell, RunConfig, TrialSpec

GAMMA = FloatRange(type="float", low=1e-4, high=100.0, log=True)
"""The range of γ that holds every value known from the paper (arXiv:2510.20236)."""

N_TRAIN = 1000
"""Training samples where neither the file nor the catalog says how many."""


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(
            "must begin with a letter or digit and hold only letters, digits, `.`, `_` and `-`, "
            f"got {name!r}"
        )
    return name


def _by_name(tasks: Any) -> Any:
    """Names alone, as code may give them, are tasks of which nothing differs from `data`."""
    if isinstance(tasks, list | tuple) and all(isinstance(name, str) for name in tasks):
        return {name: DataPlan() for name in tasks}
    return tasks


@dataclass(frozen=True, config=STRICT)
class Study:
    """One study: every model on every task, one search space, one way to train.

    `models` maps the name of a model to the settings that are fixed for it, `tasks` the name of a
    task to what differs for it from `data`.
    """

    name: Annotated[str, Field(max_length=100), AfterValidator(_folder_name)]
    models: Annotated[Mapping[str, Mapping[str, Any]], Field(min_length=1)]
    tasks: Annotated[Mapping[str, DataPlan], Field(min_length=1), BeforeValidator(_by_name)]
    space: Space = Field(default_factory=lambda: {"gamma": GAMMA})
    data: DataPlan = Field(default_factory=DataPlan)
    search: SearchPlan = Field(default_factory=SearchPlan)
    curve: CurvePlan = Field(default_factory=CurvePlan)
    training: TrainingPlan = Field(default_factory=TrainingPlan)
    lkm: LkmOptions = Field(default_factory=LkmOptions)
    resources: Resources = Field(default_factory=Resources)
    tracking: TrackingPlan = Field(default_factory=TrackingPlan)
    seed: Seed = 0

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every model on every task, models first."""
        return tuple(
            Cell(model=model, task=task, n_train=self.data_plan(task).n_train or N_TRAIN)
            for model in self.models
            for task in self.tasks
        )

    def data_plan(self, task: str) -> DataPlan:
        """The data of one of the tasks."""
        return self.tasks[task].over(self.data)

    def run_config(self, trial: TrialSpec) -> RunConfig:
        """The training run that `trial` stands for.

        A setting named like a field of `TrainingPlan` or `LkmOptions` goes there, `gamma` is
        the strength of the mixing term, and every other one is the model's.
        """
        settings = dict(trial.settings)
        gamma = float(settings.pop("gamma"))
        training = {k: settings.pop(k) for k in _names(TrainingPlan) if k in settings}
        lkm = {k: settings.pop(k) for k in _names(LkmOptions) if k in settings}
        return RunConfig(
            model=trial.cell.model,
            model_settings={**self.models[trial.cell.model], **settings},
            task=trial.cell.task,
            data=self.data_plan(trial.cell.task),
            training=replace(self.training, **training),
            lkm=replace(self.lkm, **lkm),
            gamma=gamma,
            seed=trial.seed,
        )


def _names(plan: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(plan))
