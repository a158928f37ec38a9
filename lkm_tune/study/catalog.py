"""What exists for a study to name: models with their settings, and tasks.

The caller fills it in, so that studies know neither models nor data.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lkm_tune.study.plan import DataPlan, TrainingPlan


@dataclass(frozen=True)
class Catalog:
    """The models and tasks that a study may name.

    Attributes:
        models: name of a model -> names of its settings with their defaults. A default also says
            what kind of value a setting takes, where it is a number, text, truth or a tuple.
        tasks: the names of tasks; a study matches them without regard to case.
        other_task: the name, in its own spelling, of a task that is not listed but can be made,
            as `file:PATH`, with the data plan that goes with it. Raises ValueError, in a
            sentence, where it cannot be. None: there are none.
        usual_data: a task's data plan with the sizes filled in that are usual for it:
            `usual_data(task, plan)`. Raises ValueError where it cannot. None: nothing is usual.
        own_model: the settings, as in `models`, of a user's own model `package.module:build`.
            Raises ValueError, in a sentence, where there is no such model. None: there are none.
        try_model: builds a model, only to see whether it can be built: `try_model(name,
            settings)` raises ValueError or TypeError where it cannot. None: it is not tried.
        try_task: whether a model can learn a task: `try_task(model, settings, task, data plan,
            training plan)` raises ValueError where it cannot. None: it is not tried.
    """

    models: Mapping[str, Mapping[str, Any]]
    tasks: Collection[str]
    other_task: Callable[[str, DataPlan], str] | None = None
    usual_data: Callable[[str, DataPlan], DataPlan] | None = None
    own_model: Callable[[str], Mapping[str, Any]] | None = None
    try_model: Callable[[str, Mapping[str, Any]], object] | None = None
    try_task: Callable[[str, Mapping[str, Any], str, DataPlan, TrainingPlan], object] | None = None

    def settings(self, model: str) -> Mapping[str, Any]:
        """The settings of `model` with their defaults.

        Raises:
            LookupError: if the name is not among those of the catalog.
            ValueError: if it names a user's own model that cannot be had.
        """
        if model in self.models:
            return self.models[model]
        if self.own_model is not None and ":" in model:
            return self.own_model(model)
        raise LookupError(model)

    def task(self, name: str, data: DataPlan) -> str:
        """The name of a task in its own spelling.

        Raises:
            LookupError: if there is no such task.
            ValueError: if it is one that can be made but not with these data.
        """
        listed = {task.lower(): task for task in self.tasks}.get(name.strip().lower())
        if listed is not None:
            return listed
        if self.other_task is None:
            raise LookupError(name)
        return self.other_task(name, data)
