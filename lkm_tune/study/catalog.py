"""The models, with their settings, and the tasks that a study may name.

The caller fills in the catalog, so this package depends neither on models nor on data.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.study.plan import DataPlan, TrainingPlan


@dataclass(frozen=True)
class Catalog:
    """The models and tasks that a study may name.

    Attributes:
        models: name of a model -> names of its settings with their defaults. The type of a
            default (number, text, truth value or tuple) is the type of the setting.
        tasks: the names of tasks; a study matches them without regard to case.
        other_task: returns the canonical name of a task that is not listed, such as `file:PATH`,
            given its name and data plan. Raises ValueError for an invalid task. None: only listed
            tasks exist.
        usual_data: `usual_data(task, plan)` returns a task's data plan with the usual sizes filled
            in. Raises ValueError if it cannot. None: there are no usual sizes.
        own_model: returns the settings, as in `models`, of a user's model `package.module:build`.
            Raises ValueError if there is no such model. None: only listed models exist.
        try_model: `try_model(name, settings)` builds a model as a check. Raises ValueError or
            TypeError if it cannot. None: no check.
        permitted: `permitted(task, plan)` raises ValueError if a task, which need not exist, may
            not use its data. None: all data may be used.
        try_task: `try_task(model, settings, task, data plan, training plan)` checks that a model
            can learn a task. Raises ValueError if it cannot. None: no check.
    """

    models: Mapping[str, Mapping[str, Any]]
    tasks: Collection[str]
    other_task: Callable[[str, DataPlan], str] | None = None
    usual_data: Callable[[str, DataPlan], DataPlan] | None = None
    own_model: Callable[[str], Mapping[str, Any]] | None = None
    try_model: Callable[[str, Mapping[str, Any]], object] | None = None
    try_task: Callable[[str, Mapping[str, Any], str, DataPlan, TrainingPlan], object] | None = None
    permitted: Callable[[str, DataPlan], None] | None = None

    def settings(self, model: str) -> Mapping[str, Any]:
        """The settings of `model` with their defaults.

        Raises:
            LookupError: if the catalog has no model of this name.
            ValueError: if the model is a user's and cannot be loaded.
        """
        if model in self.models:
            return self.models[model]
        if self.own_model is not None and ":" in model:
            return self.own_model(model)
        raise LookupError(model)

    def task(self, name: str, data: DataPlan) -> str:
        """The canonical name of a task.

        Raises:
            LookupError: if there is no such task.
            ValueError: if the task cannot be made with these data.
        """
        listed = {task.lower(): task for task in self.tasks}.get(name.strip().lower())
        if listed is not None:
            return listed
        if self.other_task is None:
            raise LookupError(name)
        return self.other_task(name, data)
