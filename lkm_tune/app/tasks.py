"""The tasks that a study may name; separate from the models, which import torch."""

from collections.abc import Mapping

from lkm_tune.datasets import TASKS, Task


def list_tasks() -> Mapping[str, Task]:
    """The tasks of public datasets, with their targets and units."""
    return TASKS
