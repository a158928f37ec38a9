"""The facts on the networks and data of a study, for its tables and MLflow."""

import torch

from lkm_tune.datasets import find_task
from lkm_tune.ledger.facts import StudyFacts, TaskFacts
from lkm_tune.models import model_settings
from lkm_tune.study import Study


def study_facts(study: Study) -> StudyFacts:
    """The facts on all models and tasks of a study, without the digests of its data.

    Raises:
        ValueError: if a model or a task does not exist.
    """
    tasks = {}
    for name in study.tasks:
        task = find_task(name, study.data_plan(name))
        loss = "cross-entropy" if task.classes else "l1"
        tasks[name] = TaskFacts(task.unit, loss, bool(task.forces))
    return StudyFacts(
        models={model: dict(model_settings(model)) for model in study.models},
        tasks=tasks,
        precision=str(torch.get_default_dtype()).removeprefix("torch."),
    )
