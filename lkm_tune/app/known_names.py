"""Which names of a model and a task may have a prediction: a typing error must not get one."""

from collections.abc import Iterable
from difflib import get_close_matches

from lkm_tune.datasets import TASKS, find_task
from lkm_tune.datasets.own_file import FILE
from lkm_tune.models import MODELS, is_own


def check_names(model: str, task: str, models: Iterable[str], tasks: Iterable[str]) -> None:
    """Refuses names that are neither searched, nor in the catalog, nor those of a user's own.

    Args:
        model: the asked model.
        task: the asked task.
        models: the searched models, with or without compared values.
        tasks: the searched tasks.

    Raises:
        ValueError: with every wrong name and the names closest to it.
    """
    known = {*MODELS, *models, *(name.partition("[")[0] for name in models)}
    faults = []
    if not (is_own(model) or model.lower().partition("[")[0] in map(str.lower, known)):
        own = "a function of your own (package.module:function)"
        faults.append(_fault("model", model, known, own))
    if not _is_task(task, tasks):
        faults.append(_fault("task", task, {*TASKS, *tasks}, "a file of your own (file:PATH)"))
    if faults:
        raise ValueError("\n".join(faults))


def _is_task(name: str, searched: Iterable[str]) -> bool:
    if name.lower().startswith(FILE) or name.lower() in map(str.lower, searched):
        return True
    try:
        find_task(name)
    except ValueError:
        return False
    return True


def _fault(kind: str, name: str, known: Iterable[str], own: str) -> str:
    lowered = {candidate.lower(): candidate for candidate in sorted(known)}
    close = [lowered[near] for near in get_close_matches(name.lower(), lowered)]
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    return (
        f"unknown {kind} {name!r}: it must be a searched {kind}, one that `lkm-tune {kind}s` lists,"
        f" or {own}{meant}"
    )
