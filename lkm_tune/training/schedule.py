"""Learning rate and weight averaging over a run."""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Factor of the learning rate at `step` (0-based): linear warmup, then cosine annealing.

    The cosine (Loshchilov and Hutter, 2017, arXiv:1608.03983, eq. 5, without restarts) ends at 0
    after `total_steps`, the full budget, also for a run that is stopped before: a stopped run is a
    prefix of the whole one.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def make_schedule(
    optimizer: torch.optim.Optimizer, warmup_steps: int, total_steps: int
) -> LambdaLR:
    """`warmup_cosine` as a scheduler to be stepped after every optimiser step."""
    return LambdaLR(
        optimizer, partial(warmup_cosine, warmup_steps=warmup_steps, total_steps=total_steps)
    )


def averaged_model(model: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of the weights of `model`.

    The decay after n updates is min(`decay`, (1 + n) / (10 + n)), as in the training code of the
    published models: a fixed 0.999 would still be dominated by the initial weights after the few
    hundred steps of a small study.
    """

    def update(averages: Tensors, weights: Tensors, n_averaged: Tensor | int) -> None:
        n = int(n_averaged)
        torch._foreach_lerp_(averages, weights, 1.0 - min(decay, (1 + n) / (10 + n)))

    return AveragedModel(model, multi_avg_fn=torch.no_grad()(update))
