"""`gpu: auto`: how many trials share a GPU, from a short probe of their memory and step time."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import ray

from lkm_tune.search.cost import at_ends
from lkm_tune.search.slots import Share
from lkm_tune.study import Cell, Study
from lkm_tune.training import TrainingRun

MARGIN = 0.9
"""The part of a GPU's memory that trials may fill: what fragments or varies needs the rest."""

CONTEXT = 600 * 2**20
"""Bytes that a process holds on a GPU before it has any tensor: CUDA's context."""

WORTHWHILE = 1.1
"""More trials on a GPU must train this many times as fast together, or each only gets slower."""

STEPS = 20


@dataclass(frozen=True)
class Memory:
    """Bytes on a GPU: what one trial takes at most, and what there is."""

    of_a_trial: float
    of_the_gpu: float


class Probe(Protocol):
    """Whoever tries a study's trials out on its GPUs."""

    def memory(self) -> Memory:
        """Of the largest trial of any cell, and the smallest GPU."""

    def step_seconds(self, at_once: int) -> float:
        """Of a training step while so many trials share a GPU, the slowest cell's."""


def trials_per_gpu(probe: Probe, most: int) -> int:
    """How many trials share a GPU: more as long as they train faster together and fit.

    Args:
        probe: tries them out.
        most: no more than this, since the rest of the node holds no more.

    Raises:
        ValueError: if not even one trial fits.
    """
    memory = probe.memory()
    fitting = math.floor(MARGIN * memory.of_the_gpu / memory.of_a_trial)
    if fitting < 1:
        raise ValueError(
            f"resources.gpu: auto: the largest trial takes {memory.of_a_trial / 2**30:.3g} GiB, "
            f"but {MARGIN:.0%} of a GPU's memory are {MARGIN * memory.of_the_gpu / 2**30:.3g} GiB: "
            "narrow the space, or use a larger GPU"
        )
    chosen, rate = 1, 1 / probe.step_seconds(1)
    at_once = 2
    while at_once <= min(fitting, most):
        together = at_once / probe.step_seconds(at_once)
        if together < WORTHWHILE * rate:
            break
        chosen, rate = at_once, together
        at_once *= 2
    return chosen


def settle(
    study: Study, nodes: list[dict[str, float]], probe_of: Callable[[Study], Probe]
) -> Share:
    """What a trial of the study holds.

    Args:
        study: whose `resources.gpu` may be `auto`; without a GPU in the cluster that is 0.
        nodes: what each node has, as `CPU` and `GPU`.
        probe_of: makes the probe, where one is needed.
    """
    cpu, gpu = study.resources.cpu, study.resources.gpu
    if gpu != "auto":
        return Share(cpu, gpu)
    having = [node for node in nodes if node.get("GPU", 0.0) >= 1]
    if not having:
        return Share(cpu, 0.0)
    beside = min(node.get("CPU", 0.0) / node["GPU"] for node in having)
    most = max(1, math.floor(beside / cpu + 1e-9))
    return Share(cpu, 1 / trials_per_gpu(probe_of(study), most))


class GpuProbe:
    """Trains a few steps of the largest trial of every cell on the cluster's GPUs."""

    def __init__(self, study: Study) -> None:
        """Nothing is trained yet."""
        self._study = study

    def memory(self) -> Memory:
        """See `Probe`."""
        tried = [self._together(cell, 1)[0] for cell in self._study.cells]
        return Memory(
            max(bytes_ for _, bytes_, _ in tried) + CONTEXT, min(whole for *_, whole in tried)
        )

    def step_seconds(self, at_once: int) -> float:
        """See `Probe`."""
        tried = [self._together(cell, at_once) for cell in self._study.cells]
        return max(seconds for together in tried for seconds, _, _ in together)

    def _together(self, cell: Cell, at_once: int) -> list[tuple[float, float, float]]:
        share = ray.remote(num_gpus=1 / at_once, num_cpus=self._study.resources.cpu)(_try)
        found: list[Any] = ray.get([share.remote(self._study, cell) for _ in range(at_once)])
        return found


def _try(study: Study, cell: Cell) -> tuple[float, float, float]:
    """Seconds of a step, bytes at the peak, bytes of the GPU."""
    import torch

    torch.set_num_threads(max(1, int(study.resources.cpu)))
    epochs = TrainingRun(at_ends(study, cell, STEPS), "cuda").epochs()
    next(epochs)  # The first steps of a process are slower than the rest.
    torch.cuda.synchronize()
    start = time.perf_counter()
    next(epochs)
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) / STEPS
    whole = torch.cuda.get_device_properties(0).total_memory
    return seconds, float(torch.cuda.max_memory_reserved()), float(whole)
