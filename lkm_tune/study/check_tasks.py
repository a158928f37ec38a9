"""Rules on the tasks of a study: their names, their data, and the models that can learn them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from lkm_tune.study.catalog import Catalog
from lkm_tune.study.plan import DataPlan
from lkm_tune.study.problem import Finding, nearest, shown
from lkm_tune.study.study import Study


def settled_tasks(study: Study, catalog: Catalog) -> tuple[Study, list[Finding]]:
    """`study` with canonical task names and usual sizes, and findings.

    Invalid tasks stay unchanged.
    """
    settled: dict[str, DataPlan] = {}
    findings = []
    for written, plan in study.tasks.items():
        path = ("tasks", written)
        name = written
        refused = _refused(written, plan.over(study.data), catalog)
        if refused:
            findings.append(Finding((path,), f"cannot be used: {refused}"))
        try:
            name, plan = settled_task(written, plan, study.data, catalog)
        except LookupError:
            near = nearest(written, catalog.tasks)
            findings.append(Finding((path,), "unknown task", None, tuple(catalog.tasks), near))
        except ValueError as error:
            if str(error) != refused:
                findings.append(Finding((path,), f"cannot be used: {error}"))
        if name in settled:
            findings.append(Finding((path,), "is listed twice", shown(name)))
        settled.setdefault(name, plan)
    return replace(study, tasks=settled), findings


def _refused(task: str, data: DataPlan, catalog: Catalog) -> str:
    """Why a task may not use its data; "" if it may."""
    try:
        if catalog.permitted is not None:
            catalog.permitted(task, data)
    except ValueError as error:
        return str(error)
    return ""


def settled_task(
    name: str, plan: DataPlan, common: DataPlan, catalog: Catalog
) -> tuple[str, DataPlan]:
    """The canonical name of a task, and its data plan with the usual sizes.

    Args:
        name: as written in the file.
        plan: the data keys of the task.
        common: the data keys of all tasks.
        catalog: the existing models and tasks.

    Raises:
        LookupError: if there is no such task.
        ValueError: if the task cannot be used.
    """
    name = catalog.task(name, plan.over(common))
    if catalog.usual_data is not None:
        usual = catalog.usual_data(name, plan.over(common))
        if plan.n_train is None and common.n_train is None:
            plan = replace(plan, n_train=usual.n_train)
        if plan.n_val is None and common.n_val is None:
            plan = replace(plan, n_val=usual.n_val)
    return name, plan


def check_tasks(
    study: Study, catalog: Catalog, known: Mapping[str, object], faulty: Collection[str]
) -> Iterator[Finding]:
    """Every finding on the cells of `study`.

    Args:
        study: the study.
        catalog: the existing models and tasks.
        known: the models of the study that exist.
        faulty: the tasks of the study that have findings of their own, which no model repeats.
    """
    # Another rule reports repeated values of `compare`.
    cells = {(cell.model, cell.task): replace(cell, compared=()) for cell in study.cells}.values()
    folders = Counter(cell.key for cell in cells)
    for cell in cells:
        if folders[cell.key] > 1:
            said = f"{cell} would share its folder {cell.key} with another cell"
            yield Finding((("models", cell.model), ("tasks",)), said)
    if catalog.try_task is None:
        return
    for model in known:
        for task in (task for task in study.tasks if task not in faulty):
            plan = study.data_plan(task)
            try:
                catalog.try_task(model, study.models[model], task, plan, study.training)
            except LookupError:
                continue
            except (ValueError, TypeError) as error:
                yield Finding((("models", model), ("tasks", task)), f"{error}")
