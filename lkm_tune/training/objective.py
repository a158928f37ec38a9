"""The loss of a task and its errors, for each kind of task."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor, nn

from lkm_tune.datasets import Part
from lkm_tune.lkm import Judge, Mixing, layer_mixing_loss
from lkm_tune.models import ModelOutput, SizeClasses
from lkm_tune.study import LkmOptions, TrainingPlan
from lkm_tune.training.ahead import ahead
from lkm_tune.training.samples import Indices, Samples


@dataclass(frozen=True, eq=False)
class Loss:
    """The share of some samples in the loss of a batch.

    Attributes:
        prediction: scalar; the shares of all samples of the batch sum to its L_pred.
        output: output of the network, with the layers to mix.
        share: share of these samples in the mixing term of the batch.
        judge: gives the error of a layer's prediction of these samples, for selective mixing.
    """

    prediction: Tensor
    output: ModelOutput
    share: float | Tensor
    judge: Judge


def mixing_term(mixing: Mixing, loss: Loss, options: LkmOptions) -> tuple[Tensor, Tensor]:
    """The share of some samples in L_KD of their batch, and in the loss of the mixing."""
    layers = loss.output.layers
    weights, own = mixing(layers, loss.judge)
    kd = layer_mixing_loss(layers, options.distance, options.reduction, options.teacher, weights)
    return kd * loss.share, own


class Objective(ABC, Generic[Samples]):
    """The loss of a task and its errors.

    Attributes:
        judged: name of the error that ranks runs.
        batch_size: samples of one optimiser step.
        micro_batch_size: samples that go through the network at once in training.
        eval_batch_size: samples that go through the network at once in validation and test.
        device: the device of the network.
    """

    judged = "error"

    def __init__(self, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the sizes of the plan; samples are on `device`."""
        self.device = device
        self.batch_size = plan.batch_size
        self.micro_batch_size = plan.micro_batch_size or plan.batch_size
        self.eval_batch_size = plan.eval_batch_size

    @abstractmethod
    def samples(
        self,
        network: nn.Module,
        indices: Indices,
        batch: Indices,
        classes: SizeClasses | None = None,
    ) -> Samples:
        """The samples `indices` of `batch`, prepared for `network`, on the device.

        Another thread may call it while the network computes. With `classes` they are padded.
        """

    def size_classes(self, network: nn.Module, indices: Indices) -> SizeClasses:
        """The classes of the sizes of samples as `network` prepares them.

        Raises:
            PaddingError: if these samples cannot be padded.
        """
        return SizeClasses({})

    @abstractmethod
    def loss(self, network: nn.Module, samples: Samples) -> Loss:
        """The share of some samples in the loss of their batch; nothing waits for a GPU."""

    @abstractmethod
    def mean_errors(self, part: Part) -> dict[str, float]:
        """The errors of predicting the mean of the training part, on `part`."""

    @abstractmethod
    def _errors(self, network: nn.Module, samples: Samples) -> dict[str, tuple[Tensor, int]]:
        """The sum of every error by name, and its number of summands."""

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error that ranks runs."""
        return errors[self.judged]

    def errors(self, network: nn.Module, indices: Indices) -> dict[str, float]:
        """Every error of `network` by name: the mean over these samples in the task's unit."""
        totals = self.totals(network, self.parts(network, indices))
        # The one wait for a GPU.
        sums = torch.stack([total for total, _ in totals.values()]).tolist()
        counts = [count for _, count in totals.values()]
        return {n: total / count for n, total, count in zip(totals, sums, counts, strict=True)}

    def parts(self, network: nn.Module, indices: Indices) -> Iterator[Samples]:
        """These samples in parts that go through `network` at once without a gradient."""

        def ready(begin: int) -> Samples:
            chosen = indices[begin : begin + self.eval_batch_size]
            return self.samples(network, chosen, chosen)

        return ahead(range(0, len(indices), self.eval_batch_size), ready, self.device)

    def totals(self, network: nn.Module, parts: Iterable[Samples]) -> dict[str, tuple[Tensor, int]]:
        """The sum of every error of `network` by name, and its number of summands."""
        totals: dict[str, tuple[Tensor, int]] = {}
        for samples in parts:
            for name, (total, count) in self._errors(network, samples).items():
                before, counted = totals.get(name, (0.0, 0))
                totals[name] = before + total, counted + count
        return totals
