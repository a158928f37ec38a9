"""The network of a training run and its data, with matching settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from lkm_tune.datasets import (
    HERE,
    MoleculeData,
    NodeData,
    Origin,
    TaskData,
    find_task,
    load_task,
)
from lkm_tune.models import MoleculeModel, NodeClassifier, build_model, is_own, model_settings
from lkm_tune.study import RunConfig
from lkm_tune.training.learnable import check_classifier, check_fits, node_settings
from lkm_tune.training.own_network import begin_own, check_batches
from lkm_tune.training.seeds import seeded


@dataclass(frozen=True, eq=False)
class OpenedRun:
    """The network and the data of a run.

    Attributes:
        network: the network with the weights of the run's seed.
        data: the data of the task.
        settings: the settings of the network, including settings that the data decide.
    """

    network: nn.Module
    data: TaskData
    settings: Mapping[str, Any]


def open_run(config: RunConfig, cache: Path | None = None, origin: Origin = HERE) -> OpenedRun:
    """Builds the network of a run and opens its data.

    The data decide the number of outputs and the elements of the network, unless the config gives
    them. The elements are the network's defaults, then the other elements of the data.

    Args:
        config: the config of the run.
        cache: the folder of prepared data; None for the default.
        origin: the origin of the data.

    Raises:
        ValueError: if the config has an unknown model, task or setting, the model cannot learn the
            task, or the data have too few samples.
    """
    task = find_task(config.task, config.data)
    asked = dict(config.model_settings)
    if task.classes:
        check_classifier(config.model, task)
        data = load_task(config.task, config.data, config.seed, 1.0, cache, origin)
        settings = asked | _decided(config.model, asked, data)
        return OpenedRun(_seeded(config.seed, config.model, settings), data, settings)
    network = _seeded(config.seed, config.model, asked)
    plan = config.training
    check_batches(network, plan, min(plan.batch_size, plan.micro_batch_size or plan.batch_size))
    check_fits(network, config.model, task, config.training.force_weight)
    cutoff = cast(MoleculeModel, network).cutoff
    data = load_task(config.task, config.data, config.seed, cutoff, cache, origin)
    settings = asked | _decided(config.model, asked, data)
    if is_own(config.model):
        molecules = cast(MoleculeData, data)
        targets = len(molecules.task.targets)
        network = begin_own(config.seed, config.model, settings, molecules.elements, targets)
    elif settings != asked:
        network = _seeded(config.seed, config.model, settings)
    return OpenedRun(network, data, settings)


def build_network(model: str, settings: Mapping[str, Any]) -> nn.Module:
    """Builds a network from the settings of an `OpenedRun`, with weights from torch's generator.

    Raises:
        ValueError: for an unknown model or setting, or a value out of range.
    """
    if "classes" not in settings:
        return build_model(model, **settings)
    return NodeClassifier(model, node_settings(model, settings))


def _decided(model: str, asked: Mapping[str, Any], data: TaskData) -> dict[str, Any]:
    """The settings that the data decide and the config does not give."""
    if isinstance(data, NodeData):
        return {"features": data.graph.features.shape[1], "classes": data.graph.classes}
    known = model_settings(model)
    decided: dict[str, Any] = {}
    targets = len(data.task.targets)
    if targets > 1 and "outputs" in known:
        decided["outputs"] = targets
    if asked.get("outputs", targets) != targets and not is_own(model):
        raise ValueError(
            f"{model}: outputs must be {targets}, the number of targets of {data.task.name}, "
            f"got {asked['outputs']}"
        )
    others = set(data.elements) - set(known.get("elements", data.elements))
    if others:
        decided["elements"] = (*known["elements"], *sorted(others))
    return {name: value for name, value in decided.items() if name not in asked}


def _seeded(seed: int, model: str, settings: Mapping[str, Any]) -> nn.Module:
    with seeded(seed):
        return build_network(model, settings)
