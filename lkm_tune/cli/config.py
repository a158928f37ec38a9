"""The file of one training run: written by `export`, read by `train`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from lkm_tune.cli.answer import finished_answers
from lkm_tune.cli.own import settings_of_own
from lkm_tune.datasets import find_task
from lkm_tune.models import PUBLISHED, is_own, model_settings, published_settings
from lkm_tune.search.folder import StudyFolder
from lkm_tune.search.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.study import RunConfig, TrialSpec
from lkm_tune.training import Weights

# Options of `train` that are short for a key of the file.
SHORT = {"lr": "training.lr", "epochs": "training.epochs", "depth": "model_settings.depth"}


def read_config(path: Path | None, given: Mapping[str, Any], overrides: Sequence[str]) -> RunConfig:
    """A training run from a file, from options, and from `key=value` texts, the last one first.

    Raises:
        ValueError: naming every key that is wrong, and what is valid.
    """
    data: dict[str, Any] = yaml.safe_load(path.read_text()) if path else {}
    if not isinstance(data, dict):
        raise ValueError(f"{path} must be a mapping of keys to values")
    for name, value in given.items():
        if value is not None:
            _put(data, SHORT.get(name, name), value)
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes KEY=VALUE, got {text!r}")
        _put(data, key.strip(), _plain(value))
    missing = [f"--{name}" for name in ("model", "task") if name not in data]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be given, or a file with --config")
    return _checked(data)


def started_from(config: RunConfig, weights: Weights, path: Path | None) -> RunConfig:
    """`config` with the settings of the network that `weights` are of.

    They come from the config, from the JSON file at `path`, and from the weights themselves: our
    own files say all settings, and the shapes of a published network's parameters tell its sizes.

    Raises:
        ValueError: naming the settings that none of these says, or that contradict each other.
    """
    said = {**_json(path), **config.model_settings}
    if weights.config is not None:
        if weights.config.model != config.model:
            raise ValueError(
                f"the weights must be of {config.model}, but are of {weights.config.model}"
            )
        said = {**weights.config.model_settings, **said}
    elif config.model in PUBLISHED:
        try:
            said = published_settings(config.model, weights.tensors, said)
        except ValueError as error:
            raise ValueError(
                f"{error} (--init-config FILE, or --set model_settings.KEY)"
            ) from error
    known = model_settings(config.model)
    return replace(config, model_settings={k: v for k, v in said.items() if k in known})


def _json(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        held = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise ValueError(f"{path} must be a mapping of keys to values")
    return held


def best_config(storage: Path, study: str, model: str, task: str) -> tuple[RunConfig, str]:
    """The best settings of a cell with its best γ, and in words where they come from.

    Raises:
        ValueError: if the cell has no finished curve.
    """
    answers = [a for a in finished_answers(storage, study) if a["model"].lower() == model.lower()]
    answers = [a for a in answers if a["task"].lower() == task.lower()]
    folder = StudyFolder(storage, study)
    kept = folder.read_study()
    if kept is None or not answers:
        raise ValueError(f"study {study} has no finished curve of {model} on {task}")
    answer = answers[0]
    planner = Planner(kept, Ledger(kept, folder.ledger, writable=False))
    cell = next(c for c in kept.cells if (c.model, c.task) == (answer["model"], answer["task"]))
    settings = {"gamma": answer["gamma"], **(planner.curve_settings(cell, "search") or {})}
    trial = TrialSpec(study, cell, "curve", 0, settings, kept.curve.seeds[0], kept.training.epochs)
    return kept.run_config(trial), f"study {study}: {answer['sentence']}"


def config_text(config: RunConfig, comment: str) -> str:
    """The file of a training run, with a comment on its first line."""
    return f"# {comment}\n" + yaml.safe_dump(config.to_dict(), sort_keys=False)


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[last] = value


def _plain(text: str) -> Any:
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)


def _checked(data: Mapping[str, Any]) -> RunConfig:
    known = {field.name for field in fields(RunConfig)}
    problems = [
        f"{key}: unknown key; valid: {', '.join(known)}" for key in data if key not in known
    ]
    try:
        config = TypeAdapter(RunConfig).validate_python(dict(data))
    except ValidationError as error:
        for found in error.errors():
            place = ".".join(map(str, found["loc"]))
            problems.append(f"{place}: {found['msg']}, got {found['input']!r}")
        raise ValueError("\n".join(problems)) from error
    settings = (settings_of_own if is_own(config.model) else model_settings)(config.model)
    problems += [
        f"model_settings.{key}: {config.model} has no such setting; valid: {', '.join(settings)}"
        for key in config.model_settings
        if key not in settings
    ]
    if problems:
        raise ValueError("\n".join(problems))
    find_task(config.task)
    return config
