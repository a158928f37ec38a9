"""What exists for a study to name: models with their settings, and tasks.

The caller fills it in, so that studies know neither models nor data.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Catalog:
    """The models and tasks that a study may name.

    Attributes:
        models: name of a model -> names of its settings with their defaults. A default also says
            what kind of value a setting takes, where it is a number, text, truth or a tuple.
        tasks: the names of tasks; a study matches them without regard to case.
        own_model: the settings, as in `models`, of a user's own model `package.module:build`.
            Raises ValueError, in a sentence, where there is no such model. None: there are none.
        try_model: builds a model, only to see whether it can be built: `try_model(name,
            settings)` raises ValueError or TypeError where it cannot. None: it is not tried.
    """

    models: Mapping[str, Mapping[str, Any]]
    tasks: Collection[str]
    own_model: Callable[[str], Mapping[str, Any]] | None = None
    try_model: Callable[[str, Mapping[str, Any]], object] | None = None

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

    def task(self, name: str) -> str:
        """The name of a task in its own spelling; `name` itself where there is no such task."""
        return {task.lower(): task for task in self.tasks}.get(name.lower(), name)
