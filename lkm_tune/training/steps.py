"""The training steps of a run; on a GPU a CUDA graph repeats them.

A CUDA graph launches all kernels of a step at once. It needs equal shapes, so batches are padded to
a few size classes (`models.padding`), and each class has a graph. A graph copies no number of
Python: the rates of a step reach it as tensors.

The first steps of each graph are compared with steps of torch without padding. If a graph cannot be
recorded or differs, the run goes on without graphs.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from lkm_tune.graphs import map_tensors
from lkm_tune.models import PaddingError, SizeClasses
from lkm_tune.training.batches import Batches
from lkm_tune.training.samples import Prepared

logger = logging.getLogger(__name__)

WARMING = 3
"""Steps before the first graph: libraries allocate their memory in them."""

COMPARED = 3
"""Steps of each graph that are compared with torch's."""

MOST_GRAPHS = 12
"""Further size classes train without a graph."""

TOLERANCE = 1e-3
"""The largest difference of losses and of gradients, relative to their norm.

Rounding gives about 1e-6 in single precision."""

Ready = tuple[NDArray[Any], list[Prepared], bool]
"""The samples of a batch, their parts, and whether these are padded."""

Rate = float | Tensor

Gradients = Sequence[Sequence[Tensor | None]]
"""The gradients of each run, for each parameter or for all together."""


class Program(ABC):
    """A training step in parts: of one run, or of an array of runs."""

    device: torch.device

    def step(self, parts: Sequence[Prepared]) -> Tensor:
        """Makes a step without a graph; returns the losses of `gradient`."""
        losses, gradients = self.gradient(parts)
        self.update(gradients, *self.rates())
        self.count()
        return losses

    @abstractmethod
    def gradient(self, parts: Sequence[Prepared]) -> tuple[Tensor, Gradients]:
        """The summed losses of a batch [.., 3], and the clipped gradients; nothing waits."""

    @abstractmethod
    def rates(self) -> tuple[float, float]:
        """For the next step: the factor of the learning rate, and the share of the average."""

    @abstractmethod
    def update(self, gradients: Gradients, factor: Rate, share: Rate) -> None:
        """Moves the weights and their averages; tensors as rates are read at each replay."""

    @abstractmethod
    def count(self) -> None:
        """Counts the step in Python."""

    @abstractmethod
    def state(self) -> list[Tensor]:
        """The tensors that a step changes."""


class Graph(Protocol):
    """A recorded step."""

    def replay(self) -> None:
        """Repeats all operations on the memory of the recording."""


def captures(device: torch.device) -> bool:
    """Whether steps on a device can be recorded."""
    return device.type == "cuda"


@contextmanager
def recording(others: Sequence[Graph]) -> Iterator[Graph]:
    """Records the operations of this context, which do not run yet.

    Args:
        others: earlier graphs, which share their memory: two graphs never run at once.
    """
    graph = torch.cuda.CUDAGraph()
    pool = {"pool": others[0].pool()} if others else {}  # type: ignore[attr-defined]
    # Another thread copies the next batch to the GPU meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local", **pool):
        yield graph


@dataclass
class _Recorded:
    """A graph, the memory of its inputs and its results, and the number of compared steps."""

    graph: Graph
    inputs: list[list[Tensor]]
    losses: Tensor
    gradients: Gradients
    compared: int = 0

    def __call__(self, parts: Sequence[Prepared]) -> Tensor:
        for mine, new in zip(self.inputs, _tensors(parts), strict=True):
            torch._foreach_copy_(mine, new)
        self.graph.replay()
        return self.losses


class Steps:
    """Makes the steps of a program, with graphs where this is possible."""

    def __init__(self, program: Program, batches: Batches, asked: bool) -> None:
        """Records nothing yet.

        Args:
            program: makes a step.
            batches: prepares the samples.
            asked: whether graphs are wanted.
        """
        self._program, self._batches = program, batches
        self._classes: SizeClasses | None = None
        self._made = 0
        self._graphs: dict[str, _Recorded] = {}
        self._factor, self._share = torch.zeros(2, device=program.device).unbind()
        if asked and captures(program.device):
            try:
                self._classes = batches.size_classes()
            except PaddingError as error:
                self._give_up(str(error))

    def ready(self, batch: NDArray[Any]) -> Ready:
        """The samples of a batch for a step; another thread may call it."""
        self._made += 1
        classes = self._classes if self._made > WARMING else None
        return batch, self._batches.parts(batch, classes), classes is not None

    def __call__(self, ready: Ready) -> Tensor:
        """Makes a step; returns the losses of `Program.gradient`, valid until the next step."""
        batch, parts, padded = ready
        if not padded:
            return self._program.step(parts)
        if self._classes is None:  # given up after this batch was prepared
            return self._program.step(self._batches.parts(batch))
        shapes = shapes_of(parts)
        known = self._graphs.get(shapes)
        if known is None and len(self._graphs) >= MOST_GRAPHS:
            return self._program.step(parts)
        self._set_rates()
        if known is None or known.compared < COMPARED:
            return self._compare(shapes, batch, parts)
        losses = known(parts)
        self._program.count()
        return losses

    def _compare(self, shapes: str, batch: NDArray[Any], parts: Sequence[Prepared]) -> Tensor:
        """Makes a step by a graph if it agrees with torch, else by torch."""
        state = self._program.state()
        before = [tensor.clone() for tensor in state]
        plain = self._batches.parts(batch)
        random = torch.cuda if self._program.device.type == "cuda" else torch.random
        draws = random.get_rng_state()
        try:
            losses, gradients = self._program.gradient(plain)
            losses = losses.clone()
            gradients = [[g if g is None else g.clone() for g in group] for group in gradients]
            _copy(state, before)  # batch normalisation counts
            random.set_rng_state(draws)
            graph = self._graphs.get(shapes) or self._record(shapes, parts)
            found = graph(parts)
            same = _same(_rows(found), _rows(losses)) and _same(graph.gradients, gradients)
            reason = "" if same else "its losses or gradients differ from those of torch"
        except Exception as error:  # noqa: BLE001 - of torch, or of a user's network
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        if reason:
            _copy(state, before)
            random.set_rng_state(draws)
            self._give_up(reason)
            return self._program.step(plain)
        graph.compared += 1
        self._program.count()
        return found

    def _record(self, shapes: str, parts: Sequence[Prepared]) -> _Recorded:
        inputs = [map_tensors(part, torch.clone) for part in parts]
        with recording([known.graph for known in self._graphs.values()]) as graph:
            losses, gradients = self._program.gradient(inputs)
            self._program.update(gradients, self._factor, self._share)
        made = _Recorded(graph, _tensors(inputs), losses, gradients)
        self._graphs[shapes] = made
        return made

    def _set_rates(self) -> None:
        factor, share = self._program.rates()
        self._factor.fill_(factor)
        self._share.fill_(share)

    def _give_up(self, reason: str) -> None:
        logger.warning("training continues without CUDA graphs: %s", reason)
        self._classes = None
        self._graphs.clear()


def shapes_of(parts: Sequence[Prepared]) -> str:
    """The types and shapes of the tensors of a batch, and its other values, in words."""
    return repr([map_tensors(part, _shape) for part in parts])


def _same(groups: Gradients, others: Gradients) -> bool:
    return all(_close(one, other) for one, other in zip(groups, others, strict=True))


def _close(ones: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether tensors agree; those of a run that has diverged say nothing."""
    if [one is None for one in ones] != [other is None for other in others]:
        return False
    one, other = (
        torch.cat([t.flatten().double() for t in some if t is not None]) for some in (ones, others)
    )
    close = (one - other).norm() <= TOLERANCE * other.norm()
    return bool(close | ~other.isfinite().all())


def _rows(losses: Tensor) -> list[list[Tensor]]:
    """The losses of each run."""
    return [[row] for row in losses.view(-1, losses.shape[-1])]


def _copy(to: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for tensor, value in zip(to, values, strict=True):
            tensor.copy_(value)


def _shape(tensor: Tensor) -> Any:
    return tensor.dtype, tuple(tensor.shape)


def _tensors(parts: Sequence[Prepared]) -> list[list[Tensor]]:
    """The tensors with numbers, by type: one kernel copies the tensors of a type."""
    found: dict[torch.dtype, list[Tensor]] = {}

    def enter(tensor: Tensor) -> Tensor:
        if tensor.numel():
            found.setdefault(tensor.dtype, []).append(tensor)
        return tensor

    for part in parts:
        map_tensors(part, enter)
    return list(found.values())
