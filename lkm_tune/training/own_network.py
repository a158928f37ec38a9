"""Checks of a user's network before training: it has all parameters, and the seed decides them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from lkm_tune.graphs import MoleculeBatch, batch_from_arrays
from lkm_tune.models import ModelOutput, MoleculeModel, build_model
from lkm_tune.study import TrainingPlan
from lkm_tune.training.seeds import seeded

BOND = 1.5
"""Distance in Å between atoms of the first molecule that a network sees."""


def begin_own(
    seed: int, model: str, settings: Mapping[str, Any], elements: Sequence[int], targets: int
) -> nn.Module:
    """Builds a user's network with all its parameters.

    Args:
        seed: the seed of the weights.
        model: the name of the network, `package.module:function`.
        settings: the settings of the function.
        elements: atomic numbers of the data.
        targets: the number of targets of the task.

    Raises:
        ValueError: if the network cannot be built or run, predicts another number of targets, or
            the seed does not decide its weights.
    """
    first, second = (_begun(seed, model, settings, elements, targets) for _ in range(2))
    one, other = first.state_dict(), second.state_dict()
    differs = sorted(one.keys() ^ other.keys())
    differs += [name for name in one if name in other and not _same(one[name], other[name])]
    if differs:
        raise ValueError(
            f"the seed must decide the initial weights of {model}, but two builds from one seed "
            f"differ in {', '.join(differs)}: draw weights only from the generators of torch, "
            "numpy.random or random"
        )
    return first


def run_once(network: nn.Module, model: str, elements: Sequence[int]) -> ModelOutput:
    """Runs a network on one molecule, which creates the layers of the first forward pass.

    Args:
        network: the network; it runs in evaluation mode and then gets its mode back.
        model: the name of the network, for errors.
        elements: atomic numbers of the molecule, a chain of two atoms of each element.

    Returns:
        The output for the molecule.

    Raises:
        ValueError: if the network fails, or still has parameters without a size.
    """
    training = network.training
    network.eval()
    try:
        output: ModelOutput = network(_chain(elements, getattr(network, "cutoff", BOND)))
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
    return output


def has_batch_norm(network: nn.Module) -> bool:
    """Whether outputs depend on the other samples of the batch in training."""
    return any(isinstance(part, _BatchNorm) for part in network.modules())


def check_batches(network: nn.Module, plan: TrainingPlan, at_once: int) -> None:
    """Refuses batches that are invalid for a network with batch normalisation.

    Args:
        network: any network.
        plan: the training plan.
        at_once: samples of a batch that go through the network at once.

    Raises:
        ValueError: if batches have one sample, or are divided, which changes the gradient.
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
            "a network with batch normalisation needs a whole batch at once, since a part has "
            f"another gradient, but training.batch_size is {plan.batch_size} and {asked} "
            f"{at_once}; reduce training.batch_size to {max(2, at_once)}"
        )


def _begun(
    seed: int, model: str, settings: Mapping[str, Any], elements: Sequence[int], targets: int
) -> MoleculeModel:
    with seeded(seed):
        network = build_model(model, **settings)
        output = run_once(network, model, elements)
    shape = tuple(output.prediction.shape)
    if shape != (1, targets):
        raise ValueError(
            f"{model} must predict [molecules, targets], for one molecule and this task "
            f"{(1, targets)}, but predicts {shape}"
        )
    return network


def _chain(elements: Sequence[int], cutoff: float) -> MoleculeBatch:
    z = torch.tensor([element for element in elements for _ in range(2)])
    steps = torch.arange(len(z))
    # The chain is a zigzag, because atoms on a line have no angles.
    pos = torch.stack([0.8 * BOND * steps, 0.6 * BOND * (steps % 2), 0.0 * steps], dim=1)
    return batch_from_arrays(z, pos, torch.zeros_like(z), cutoff=cutoff)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())
