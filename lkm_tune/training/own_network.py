"""A user's own network, looked at before it is trained: all its parameters, decided by the seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from lkm_tune.graphs import MoleculeBatch, batch_from_arrays
from lkm_tune.models import MoleculeModel, build_model
from lkm_tune.study import TrainingPlan
from lkm_tune.training.seeds import seeded

BOND = 1.5
"""Å between atoms of the molecule that a network sees first."""


def begin_own(
    seed: int, model: str, settings: Mapping[str, Any], elements: Sequence[int]
) -> nn.Module:
    """Builds a user's own network with every parameter that it will have.

    Args:
        seed: decides the weights.
        model: its name, `package.module:function`.
        settings: of the function.
        elements: atomic numbers that it will see.

    Raises:
        ValueError: if it cannot be built or run, or the seed does not decide its weights.
    """
    first, second = (_begun(seed, model, settings, elements) for _ in range(2))
    one, other = first.state_dict(), second.state_dict()
    differs = sorted(one.keys() ^ other.keys())
    differs += [name for name in one if name in other and not _same(one[name], other[name])]
    if differs:
        raise ValueError(
            f"the seed must decide the initial weights of {model}, but built twice from one seed "
            f"it differs in {', '.join(differs)}: draw weights from torch's, numpy.random's or "
            "random's own generator and from nothing else"
        )
    return first


def run_once(network: nn.Module, model: str, elements: Sequence[int]) -> None:
    """Runs a network on one molecule, so that what the first forward pass makes is there.

    Args:
        network: to run, in evaluation mode; its mode is kept.
        model: its name, for messages.
        elements: of the molecule, a chain of two atoms of each.

    Raises:
        ValueError: if it fails, or has parameters without a size after it.
    """
    training = network.training
    network.eval()
    try:
        network(_chain(elements, getattr(network, "cutoff", BOND)))
    except ValueError as error:
        raise ValueError(f"{model} cannot be used: {error}") from error
    except Exception as error:
        raise ValueError(
            f"{model} fails on a molecule of the elements {', '.join(map(str, elements))}: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        network.train(training)
    lazy = [name for name, parameter in network.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise ValueError(
            f"every parameter of {model} must have its size after the first forward pass, but "
            f"these have none: {', '.join(lazy)}"
        )


def has_batch_norm(network: nn.Module) -> bool:
    """Whether the output for a sample depends on the others of its batch, in training."""
    return any(isinstance(part, _BatchNorm) for part in network.modules())


def check_batches(network: nn.Module, plan: TrainingPlan, at_once: int) -> None:
    """Refuses batches that a network with batch normalisation cannot be trained with.

    Args:
        network: any.
        plan: of its training.
        at_once: samples of a batch that go through it at once.

    Raises:
        ValueError: if a batch has one sample, or is divided, which gives another gradient.
    """
    if not has_batch_norm(network):
        return
    if plan.batch_size < 2:
        raise ValueError(
            "training.batch_size must be at least 2 for a network with batch normalisation, but "
            f"is {plan.batch_size}"
        )
    if at_once < plan.batch_size:
        asked = "training.micro_batch_size is" if plan.micro_batch_size else "memory allows for"
        raise ValueError(
            "a network with batch normalisation must see a batch at once, since parts of it have "
            f"another gradient, but training.batch_size is {plan.batch_size} and {asked} "
            f"{at_once}; training.batch_size: {max(2, at_once)} is trained as it is"
        )


def _begun(
    seed: int, model: str, settings: Mapping[str, Any], elements: Sequence[int]
) -> MoleculeModel:
    with seeded(seed):
        network = build_model(model, **settings)
        run_once(network, model, elements)
    return network


def _chain(elements: Sequence[int], cutoff: float) -> MoleculeBatch:
    z = torch.tensor([element for element in elements for _ in range(2)])
    steps = torch.arange(len(z))
    # A zigzag: atoms in one line have no angles.
    pos = torch.stack([0.8 * BOND * steps, 0.6 * BOND * (steps % 2), 0.0 * steps], dim=1)
    return batch_from_arrays(z, pos, torch.zeros_like(z), cutoff=cutoff)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())
