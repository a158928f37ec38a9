"""What the networks and data of a study say of its runs: kept with the study, for its reports.

Whoever reads a ledger a year later may have neither the data nor a user's own network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lkm_tune.study import RunConfig
from lkm_tune.study.comparable import RunFacts


@dataclass(frozen=True)
class TaskFacts:
    """Of one task.

    Attributes:
        unit: of its error; "" where it has none or it is not known.
        loss: of its prediction.
        forces: whether forces are learnt beside it.
    """

    unit: str = ""
    loss: str = "l1"
    forces: bool = False


@dataclass(frozen=True)
class StudyFacts:
    """Of all models and tasks of a study.

    Attributes:
        models: the defaults of each model's settings.
        tasks: of each task.
        data: the digest of the content of the file that each task is read from.
        precision: of the numbers.
    """

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    precision: str = RunFacts.precision

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any], data: Mapping[str, str]) -> "StudyFacts":
        """From the plain data of a study's folder, as `dataclasses.asdict` gives them."""
        tasks = {name: TaskFacts(**told) for name, told in kept.get("tasks", {}).items()}
        precision = kept.get("precision", RunFacts.precision)
        return cls(kept.get("models", {}), tasks, data, precision)

    def of_run(self, config: RunConfig, code: str) -> RunFacts:
        """Of one run, whose own network has source code of this digest."""
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
