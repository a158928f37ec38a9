"""The training step of an array of runs, in the parts that a CUDA graph needs."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import vmap

from lkm_tune.lkm import Mixing
from lkm_tune.models import WithWeights
from lkm_tune.training.objective import mixing_term
from lkm_tune.training.samples import Prepared
from lkm_tune.training.stack import Leaves, Stack
from lkm_tune.training.steps import Gradients, Program, Rate
from lkm_tune.training.training_run import TrainingRun


class ArrayProgram(Program):
    """The step of K runs side by side; see `Program`.

    Attributes:
        runs: the K runs.
        stack: their weights.
    """

    def __init__(self, runs: Sequence[TrainingRun], stack: Stack) -> None:
        """Takes the runs, and the stack of their present state."""
        self.runs, self.stack = list(runs), stack
        self.device = self.runs[0].device

    def gradient(self, parts: Sequence[Prepared]) -> tuple[Tensor, Gradients]:
        """See `Program`."""
        losses, gradient = self.unclipped(parts)
        self.stack.clip(gradient)
        return losses.double() * parts[0].rows, [[row] for row in gradient.unbind()]

    def unclipped(self, parts: Sequence[Prepared]) -> tuple[Tensor, Tensor]:
        """[K, 3] losses of one batch as in `TrainingRun`, and their gradients [K, P]."""
        losses = torch.zeros(len(self.runs), 3, device=self.device)
        gradients = []
        for part in parts:
            total, of_part = self._losses(part)
            gradients.append(self.stack.gradient(total))
            losses += of_part.detach()
        return losses, sum(gradients[1:], start=gradients[0])

    def _losses(self, part: Prepared) -> tuple[Tensor, Tensor]:
        base = self.runs[0]

        def of_one(weights: Leaves, mixing: Leaves, gamma: Tensor) -> tuple[Tensor, Tensor]:
            network = cast(nn.Module, WithWeights(base.model, weights))
            loss = base.objective.loss(network, part)
            mixed = cast(Mixing, WithWeights(base.mixing, mixing))
            kd, own = mixing_term(mixed, loss, base.config.lkm)
            total = loss.prediction + gamma * kd
            # With γ = 0 the term is only measured, so its parameters do not learn either.
            return total + own * (gamma > 0), torch.stack([total, loss.prediction, kd])

        # Runs of one seed draw the same numbers alone, too.
        stack = self.stack
        return vmap(of_one, randomness="same")(stack.weights, stack.mixing, stack.gammas)

    def rates(self) -> tuple[float, float]:
        """See `Program`."""
        return self.stack.rates()

    def update(self, gradients: Gradients, factor: Rate, share: Rate) -> None:
        """See `Program`."""
        self.stack.update(gradients, factor, share)

    def count(self) -> None:
        """See `Program`."""
        self.stack.count()

    def state(self) -> list[Tensor]:
        """See `Program`."""
        return self.stack.state()
