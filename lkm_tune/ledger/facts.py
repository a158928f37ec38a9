"""Facts on the networks and data of a study, stored with the study for its reports.

A later reader of a ledger may have neither the data nor a user's network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lkm_tune.study import RunConfig
from lkm_tune.study.comparable import RunFacts


@dataclass(frozen=True)
class TaskFacts:
    """Facts on one task.

    Attributes:
        unit: unit of the error; "" if there is none or it is unknown.
        loss: loss of the prediction.
        forces: whether the task also learns forces.
    """

    unit: str = ""
    loss: str = "l1"
    forces: bool = False


@dataclass(frozen=True)
class StudyFacts:
    """Facts on all models and tasks of a study.

    Attributes:
        models: the defaults of each model's settings.
        tasks: the facts on each task.
        data: the digest of the content of each task's data file.
        precision: precision of the numbers.
    """

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    precision: str = RunFacts.precision

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any], data: Mapping[str, str]) -> "StudyFacts":
        """From the stored plain data (`dataclasses.asdict`) and the digests of data."""
        tasks = {name: TaskFacts(**told) for name, told in kept.get("tasks", {}).items()}
        precision = kept.get("precision", RunFacts.precision)
        return cls(kept.get("models", {}), tasks, data, precision)

    def of_run(self, config: RunConfig, code: str) -> RunFacts:
        """The facts of one run; `code` is the digest of the source of its user's network."""
        task = self.tasks.get(config.task, TaskFacts())
        weight = config.training.force_weight
        forces = f"+{weight:g}*l1(forces)" if task.forces and weight > 0 else ""
        return RunFacts(
            model_settings=self.models.get(config.model, {}),
            data=self.data.get(config.task, ""),
            loss=task.loss + forces,
            precision=self.precision,
            code=code,
        )
