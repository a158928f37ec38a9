"""Learning rate and weight averaging over a run."""

import copy
import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Factor of the learning rate at `step` (0-based): linear warmup, then cosine annealing.

    The cosine (Loshchilov and Hutter, 2017, arXiv:1608.03983, eq. 5, without restarts) ends at 0
    after `total_steps`, the full budget, so a stopped run is a prefix of the full run.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def make_schedule(
    optimizer: torch.optim.Optimizer, warmup_steps: int, total_steps: int
) -> LambdaLR:
    """`warmup_cosine` as a scheduler; step it after every optimiser step."""
    return LambdaLR(
        optimizer, partial(warmup_cosine, warmup_steps=warmup_steps, total_steps=total_steps)
    )


class WeightAverage:
    """The exponential moving average of a network's weights, as a separate network.

    The decay after n updates is min(`decay`, (1 + n) / (10 + n)), as in the training code of the
    published models. With a fixed decay of 0.999, the initial weights would still dominate after
    the few hundred steps of a small study.

    Buffers, such as the statistics of batch normalisation, are copied without averaging.

    torch's AveragedModel walks the module tree at every update, which takes a fifth of a step of a
    small network. This class lists the weights once.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Starts at the present weights of `model`."""
        self.network = copy.deepcopy(model).requires_grad_(False).eval()
        self.updates = 0  # that have been made
        self._decay = decay
        self._averages: list[Tensor] = list(self.network.parameters())
        self._weights: list[Tensor] = list(model.parameters())
        self._kept = saved_buffers(self.network)
        self._seen = saved_buffers(model)

    @property
    def next_decay(self) -> float:
        """The decay of the next update."""
        return min(self._decay, (1 + self.updates) / (10 + self.updates))

    @property
    def tensors(self) -> list[Tensor]:
        """The averages and the copied buffers."""
        return [*self._averages, *self._kept]

    @torch.no_grad()
    def update(self, share: float | Tensor) -> None:
        """Moves the average towards the present weights; the caller counts the update.

        Args:
            share: 1 − `next_decay`; as a tensor [] it is read on the device.
        """
        if isinstance(share, Tensor):
            moves = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(moves, share)
            torch._foreach_add_(self._averages, moves)
        else:
            torch._foreach_lerp_(self._averages, self._weights, share)
        if self._kept:
            torch._foreach_copy_(self._kept, self._seen)

    def state_dict(self) -> dict[str, Any]:
        """The averages and their number of updates."""
        return {"weights": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["weights"])
        self.updates = state["updates"]


def saved_buffers(model: nn.Module) -> list[Tensor]:
    """The buffers in the state of a model; other buffers are constants."""
    saved = model.state_dict()
    return [buffer for name, buffer in model.named_buffers() if name in saved]
