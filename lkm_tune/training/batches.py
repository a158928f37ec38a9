"""The training batches of a run: their samples, their order and their parts."""

from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from lkm_tune.models import SizeClasses
from lkm_tune.training.objective import Objective
from lkm_tune.training.own_network import has_batch_norm
from lkm_tune.training.samples import Prepared


class Batches:
    """Draws the batches of each epoch.

    Attributes:
        order: the generator of the order; the seed of the run is its seed.
    """

    def __init__(
        self, objective: Objective[Any], model: nn.Module, samples: NDArray[Any], seed: int
    ) -> None:
        """Draws nothing yet.

        Args:
            objective: prepares samples, and knows the size of batches.
            model: the network that gets the samples.
            samples: indices of the training samples.
            seed: the seed of the run.
        """
        self._objective, self._model, self._samples = objective, model, samples
        self._whole = has_batch_norm(model)
        self.order = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return len(self._begins())

    def draw(self) -> list[NDArray[Any]]:
        """The samples of each batch of the next epoch, in an order that is drawn here."""
        order = torch.randperm(len(self._samples), generator=self.order).numpy()
        ends = pairwise([*self._begins(), len(order)])
        return [self._samples[order[slice(*both)]] for both in ends]

    def parts(self, batch: NDArray[Any], classes: SizeClasses | None = None) -> list[Prepared]:
        """The samples of a batch in parts that go through the network at once, prepared.

        Args:
            batch: indices of the samples.
            classes: the shapes of the parts; None for shapes without padding.
        """
        size = len(batch) if self._whole else self._objective.micro_batch_size
        return [
            self._objective.samples(self._model, batch[begin : begin + size], batch, classes)
            for begin in range(0, len(batch), size)
        ]

    def size_classes(self) -> SizeClasses:
        """The classes of the sizes of the parts; see `Objective.size_classes`."""
        return self._objective.size_classes(self._model, self._samples)

    def _begins(self) -> list[int]:
        """The starts of the batches of an epoch.

        Batch normalisation needs two samples, so a last single sample joins the previous batch.
        """
        n, size = len(self._samples), self._objective.batch_size
        begins = list(range(0, n, size))
        return begins[:-1] if self._whole and n > size and n % size == 1 else begins
