"""Checks that a model can learn a task; networks of the package need no torch for this."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lkm_tune.datasets import Task
from lkm_tune.models import (
    NODE_MODELS,
    NodeSettings,
    build_model,
    checked_settings,
    is_own,
    refuse_unknown,
)


def check_settings(model: str, settings: Mapping[str, Any]) -> object:
    """The settings of a model of the package, or a user's network, which is built.

    Raises:
        ValueError: if the model cannot be built.
    """
    if not is_own(model):
        return checked_settings(model, settings)
    import torch

    with torch.random.fork_rng([]):
        return build_model(model, **settings)


def check_learnable(
    model: str, settings: Mapping[str, Any], task: Task, force_weight: float
) -> None:
    """Checks without data that a network can be built and can learn a task.

    Args:
        model: the name of the model.
        settings: the settings of the config.
        task: the task.
        force_weight: w of the loss on forces.

    Raises:
        ValueError: if the network cannot be built or cannot learn the task.
    """
    if task.classes:
        check_classifier(model, task)
        node_settings(model, {"features": 1, "classes": 2, **settings})
    else:
        check_fits(check_settings(model, settings), model, task, force_weight)


def node_settings(model: str, settings: Mapping[str, Any]) -> NodeSettings:
    """The settings of a network that classifies nodes.

    Raises:
        ValueError: for an unknown setting, or a value out of range.
    """
    known = {field.name: field.default for field in fields(NodeSettings)}
    refuse_unknown(f"{model}, where nodes are classified,", settings, known)
    return NodeSettings(**settings)


def check_classifier(model: str, task: Task) -> None:
    """Raise ValueError unless the model can classify nodes."""
    if model not in NODE_MODELS:
        raise ValueError(
            f"{task.name} classifies nodes, which {', '.join(NODE_MODELS)} can learn, "
            f"but {model} cannot"
        )


def check_fits(network: object, model: str, task: Task, force_weight: float) -> None:
    """Raise ValueError unless a network, or its settings, can learn a task of molecules."""
    if not task.geometry and getattr(network, "needs_positions", True):
        raise ValueError(
            f"{task.name} has no positions of atoms, which {model} needs with these settings; "
            f"{', '.join(NODE_MODELS)} learn from bonds alone (graph: bonds)"
        )
    if task.forces and force_weight > 0 and not getattr(network, "uses_positions", True):
        raise ValueError(
            f"{task.name} has forces, which {model} cannot learn since it ignores positions; "
            "training.force_weight: 0 learns the energy alone"
        )
