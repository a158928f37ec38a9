"""The file of one training run, which `lkm-tune export` writes and `lkm-tune train` reads."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lkm_tune.study.catalog import Catalog
from lkm_tune.study.check_tasks import settled_task
from lkm_tune.study.document import OVERRIDE, Document, Mark
from lkm_tune.study.plan import DataPlan
from lkm_tune.study.problem import Finding, Problem, StudyError, nearest, shown, unknown
from lkm_tune.study.study_file import read_file
from lkm_tune.study.trial import RunConfig
from lkm_tune.study.validate import validated

# Missing keys have no line.
_NO_FILE = Document("command line", {}, {(): Mark("command line", None)})


def load_run_config(
    path: Path | None, catalog: Catalog, overrides: Iterable[str] = ()
) -> RunConfig:
    """The training run of a file, after overrides.

    Args:
        path: a YAML file whose keys are the fields of `RunConfig`, or None for no file.
        catalog: the models and tasks that exist.
        overrides: texts such as `training.lr=1e-3`, which replace keys of the file.

    Raises:
        StudyError: with every problem.
    """
    document = read_file(path, "model") if path else _NO_FILE
    misread: list[Problem] = []
    for text in overrides:
        try:
            document = document.with_override(text)
        except StudyError as error:
            misread += error.errors
    config, findings = validated(document.data, RunConfig)
    if config is not None:
        config, findings = _settled(config, catalog)
        findings += _names(config, catalog)
    problems = [document.problem(finding) for finding in (*document.findings, *findings)]
    problems.sort(key=lambda problem: (problem.file == OVERRIDE, problem.line or 0))
    if config is None or problems or misread:
        raise StudyError([*problems, *misread])
    return config


def _settled(config: RunConfig, catalog: Catalog) -> tuple[RunConfig, list[Finding]]:
    try:
        name, plan = settled_task(config.task, config.data, DataPlan(), catalog)
    except LookupError:
        near = nearest(config.task, catalog.tasks)
        given = shown(config.task)
        return config, [Finding((("task",),), "unknown task", given, tuple(catalog.tasks), near)]
    except ValueError as error:
        return config, [Finding((("task",),), f"cannot be used: {error}")]
    return replace(config, task=name, data=plan), []


def _names(config: RunConfig, catalog: Catalog) -> Iterator[Finding]:
    try:
        known = catalog.settings(config.model)
    except LookupError:
        near = nearest(config.model, catalog.models)
        yield Finding(
            (("model",),), "unknown model", shown(config.model), tuple(catalog.models), near
        )
        return
    except ValueError as error:
        yield Finding((("model",),), f"cannot be used: {error}")
        return
    for name, value in config.model_settings.items():
        if name not in known:
            path = ("model_settings", name)
            yield unknown(path, f"setting of {config.model}", value, tuple(known))
