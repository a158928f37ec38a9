"""The objective of a task."""

from typing import Any

import torch

from lkm_tune.datasets import NodeData, TaskData
from lkm_tune.study import TrainingPlan
from lkm_tune.training.molecule_objectives import EnergyAndForces, Properties
from lkm_tune.training.node_objective import Classes
from lkm_tune.training.objective import Objective


def make_objective(data: TaskData, plan: TrainingPlan, device: torch.device) -> Objective[Any]:
    """The objective of a task.

    Raises:
        ValueError: if `judged_by` is forces and the run learns no forces.
    """
    if isinstance(data, NodeData):
        return Classes(data, plan, device)
    if data.task.forces and plan.force_weight > 0:
        return EnergyAndForces(data, plan, device)
    if data.task.forces and plan.judged_by == "forces":
        raise ValueError(
            "training.judged_by must be energy where training.force_weight is 0, but is forces"
        )
    return Properties(data, plan, device)
