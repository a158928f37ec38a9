"""Prepares and describes the data of a task."""

from collections.abc import Iterable

from lkm_tune.app.catalog import make_catalog
from lkm_tune.app.errors import user_errors
from lkm_tune.datasets import TaskData, load_task
from lkm_tune.datasets.describe import Description, describe
from lkm_tune.elements import SYMBOLS
from lkm_tune.study import load_run_config

CUTOFF = 5.0
"""Radius of the neighbour graph, Å: the default of every model of the package."""


def prepare_data(
    task: str, source: str | None = None, cutoff: float = CUTOFF, settings: Iterable[str] = ()
) -> TaskData:
    """Finds or downloads the data of a task, checks them, and prepares them for training.

    Args:
        task: the name of the task.
        source: a path, "sample" (of QM9) or "auto"; None: the source in `settings`.
        cutoff: radius of the neighbour graph, Å.
        settings: keys of `data` in a study file, such as `n_train=500`.

    Raises:
        LkmTuneError: if there is no such task, or its data are missing or invalid.
    """
    with user_errors():
        return _open(task, source, cutoff, settings)


def describe_data(
    task: str, source: str | None = None, cutoff: float = CUTOFF, settings: Iterable[str] = ()
) -> Description:
    """Sizes, units, ranges and splits of the data of a task; arguments as of `prepare_data`.

    Raises:
        LkmTuneError: if there is no such task, or its data are missing or invalid.
    """
    with user_errors():
        return describe(_open(task, source, cutoff, settings))


def element_symbols(numbers: Iterable[int]) -> list[str]:
    """The symbols of elements by their atomic numbers."""
    return [SYMBOLS[number] for number in numbers]


def _open(task: str, source: str | None, cutoff: float, settings: Iterable[str]) -> TaskData:
    catalog = make_catalog()
    given = [f"data.{setting}" for setting in settings]
    if source is not None:
        given.append(f"data.source={source}")
    # A run checks the data plan; its model does not matter here.
    model = next(iter(catalog.models))
    run = load_run_config(None, catalog, [f"model={model}", f"task={task}", *given])
    return load_task(run.task, run.data, run.seed, cutoff)
