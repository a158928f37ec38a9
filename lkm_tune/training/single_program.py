"""The training step of one run, in the parts that a CUDA graph needs."""

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lkm_tune.training.samples import Prepared
from lkm_tune.training.schedule import saved_buffers
from lkm_tune.training.steps import Gradients, Program, Rate

if TYPE_CHECKING:
    from lkm_tune.training.training_run import TrainingRun


class SingleProgram(Program):
    """The step of one run; see `Program`."""

    def __init__(self, run: "TrainingRun") -> None:
        """Takes the run, whose state the steps change."""
        # Without a cycle of references, the memory of graphs is free as soon as the run is.
        self._run: TrainingRun = weakref.proxy(run)
        self.device = run.device

    def gradient(self, parts: Sequence[Prepared]) -> tuple[Tensor, Gradients]:
        """See `Program`; the parameters hold the gradients, too."""
        run = self._run
        run.optimizer.zero_grad()
        losses = torch.zeros(3, device=self.device)
        for part in parts:
            losses += run.add_gradient(part)
        nn.utils.clip_grad_norm_(run.parameters, run.config.training.clip_norm)
        gradients = [p.grad for p in [*run.parameters, *run.mixing.parameters()]]
        return losses.double() * parts[0].rows, [gradients]

    def rates(self) -> tuple[float, float]:
        """See `Program`."""
        (factor,) = self._run.schedule.lr_lambdas
        step = self._run.schedule.last_epoch
        return float(factor(step)), 1.0 - self._run.averaged.next_decay

    def update(self, gradients: Gradients, factor: Rate, share: Rate) -> None:
        """See `Program`."""
        (group,) = self._run.optimizer.param_groups
        before = group["lr"], group["capturable"]
        if isinstance(factor, Tensor):
            group |= {"lr": self._run.config.training.lr * factor, "capturable": True}
        self._run.optimizer.step()
        group["lr"], group["capturable"] = before
        self._run.averaged.update(share)

    def count(self) -> None:
        """See `Program`."""
        run = self._run
        run.lr = float(run.schedule.get_last_lr()[0])
        run.schedule.step()
        run.averaged.updates += 1

    def state(self) -> list[Tensor]:
        """See `Program`."""
        run = self._run
        moments = [kept for state in run.optimizer.state.values() for kept in state.values()]
        own = [*run.parameters, *run.mixing.parameters(), *saved_buffers(run.model)]
        return [*own, *moments, *run.averaged.tensors]
