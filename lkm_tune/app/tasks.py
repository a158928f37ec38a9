"""The tasks that a study may name; a file of its own, since models bring torch and tasks do not."""

from collections.abc import Mapping

from lkm_tune.datasets import TASKS, Task


def list_tasks() -> Mapping[str, Task]:
    """The tasks on public datasets, each with its targets and units."""
    return TASKS
