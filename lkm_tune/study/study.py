"""A study file as one frozen dataclass.

The valid keys of a file are the fields of this class and of its parts; there is no other list.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from lkm_tune.study.plan import (
    CurvePlan,
    DataPlan,
    LkmOptions,
    ReportPlan,
    Resources,
    SearchPlan,
    Seed,
    TrackingPlan,
    TrainingPlan,
)
from lkm_tune.study.space import STRICT, FloatRange, Scalar, Space
from lkm_tune.study.trial import Cell, RunConfig, TrialSpec

GAMMA = FloatRange(type="float", low=1e-4, high=100.0, log=True)
"""The default range of γ; it contains all γ of the paper (arXiv:2510.20236)."""

N_TRAIN = 1000
"""Training samples if neither the file nor the catalog gives a number."""


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(
            "must begin with a letter or digit and hold only letters, digits, `.`, `_` and `-`, "
            f"got {name!r}"
        )
    return name


def _by_name(tasks: Any) -> Any:
    """A list of names (as code may give it) stands for tasks without keys of `data`."""
    if isinstance(tasks, list | tuple) and all(isinstance(name, str) for name in tasks):
        return {name: DataPlan() for name in tasks}
    return tasks


@dataclass(frozen=True, config=STRICT)
class Study:
    """One study: every model on every task, with one search space and one training plan.

    `models` maps the name of a model to its fixed settings. `tasks` maps the name of a task to keys
    that replace those of `data`. `compare` maps the name of a setting to values; each value has
    separate cells.
    """

    name: Annotated[str, Field(max_length=100), AfterValidator(_folder_name)]
    models: Annotated[Mapping[str, Mapping[str, Any]], Field(min_length=1)]
    tasks: Annotated[Mapping[str, DataPlan], Field(min_length=1), BeforeValidator(_by_name)]
    space: Space = Field(default_factory=lambda: {"gamma": GAMMA})
    compare: Mapping[str, Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict
    )
    data: DataPlan = Field(default_factory=DataPlan)
    search: SearchPlan = Field(default_factory=SearchPlan)
    curve: CurvePlan = Field(default_factory=CurvePlan)
    training: TrainingPlan = Field(default_factory=TrainingPlan)
    lkm: LkmOptions = Field(default_factory=LkmOptions)
    resources: Resources = Field(default_factory=Resources)
    tracking: TrackingPlan = Field(default_factory=TrackingPlan)
    report: ReportPlan = Field(default_factory=ReportPlan)
    seed: Seed = 0

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every model on every task, with every combination of the compared values."""
        # Names are sorted: the order in the file must not change the names of cells.
        names = sorted(self.compare)
        combinations = [
            tuple(zip(names, values, strict=True))
            for values in product(*(self.compare[name] for name in names))
        ]
        return tuple(
            Cell(model, task, self._n_train(task, compared), compared)
            for model in self.models
            for task in self.tasks
            for compared in combinations
        )

    def find_cell(self, variant: str, task: str, depth: int, n_train: int) -> Cell:
        """The cell with these parts of its name in an analysis.

        Raises:
            LookupError: if there is no such cell.
        """
        for cell in self.cells:
            known = dict(cell.compared).get("depth", depth)
            if (cell.variant, cell.task, cell.n_train, known) == (variant, task, n_train, depth):
                return cell
        raise LookupError(f"{self.name} has no cell of {variant} on {task} with {n_train} samples")

    def data_plan(self, task: str) -> DataPlan:
        """The data plan of a task."""
        return self.tasks[task].over(self.data)

    def run_config(self, trial: TrialSpec) -> RunConfig:
        """The training run of a trial.

        A setting with the name of a field of `TrainingPlan` or `LkmOptions` sets that field;
        `gamma` is the strength of the mixing term; every other setting belongs to the model.
        """
        settings = {**dict(trial.cell.compared), **trial.settings}
        gamma = float(settings.pop("gamma"))
        training = {k: settings.pop(k) for k in _names(TrainingPlan) if k in settings}
        lkm = {k: settings.pop(k) for k in _names(LkmOptions) if k in settings}
        data = self.data_plan(trial.cell.task)
        if "n_train" in settings:
            data = replace(data, n_train=settings.pop("n_train"))
        return RunConfig(
            model=trial.cell.model,
            model_settings={**self.models[trial.cell.model], **settings},
            task=trial.cell.task,
            data=data,
            training=replace(self.training, **training),
            lkm=replace(self.lkm, **lkm),
            gamma=gamma,
            seed=trial.seed,
        )

    def _n_train(self, task: str, compared: tuple[tuple[str, Scalar], ...]) -> int:
        wanted = dict(compared).get("n_train", self.data_plan(task).n_train)
        # The checks of a file report values that are no numbers.
        return wanted if isinstance(wanted, int) else N_TRAIN


def _names(plan: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(plan))
