"""`gpu: auto`: the number of trials per GPU, from a probe of their memory and step time."""

import math
from collections.abc import Callable
from typing import Protocol

from lkm_tune.search.cluster.probe import Memory
from lkm_tune.search.cluster.slots import Share
from lkm_tune.study import Study

MARGIN = 0.9
"""The part of a GPU's memory for trials; fragmentation and variation need the rest."""

WORTHWHILE = 1.1
"""More trials on a GPU must raise their total speed by this factor."""


class Probe(Protocol):
    """A probe of a study's trials on its GPUs."""

    def memory(self) -> Memory:
        """Memory of the largest trial of any cell, and of the GPU with the least free memory."""

    def step_seconds(self, at_once: int) -> float:
        """Seconds of a training step of the slowest cell while `at_once` trials share a GPU.

        Infinite if the trials do not fit.
        """


def trials_per_gpu(probe: Probe, most: int) -> int:
    """The number of trials per GPU: it grows while they fit and their total speed rises.

    Args:
        probe: measures trials on a GPU.
        most: largest number that the other resources of the node allow.

    Raises:
        ValueError: if no trial fits.
    """
    memory = probe.memory()
    fitting = math.floor(MARGIN * memory.of_the_gpu / memory.of_a_trial)
    if fitting < 1:
        takes = f"takes {memory.of_a_trial / 2**30:.3g} GiB"
        if math.isinf(memory.of_a_trial):
            takes = "was refused memory"
        raise ValueError(
            f"resources.gpu: auto: the largest trial {takes}, but {MARGIN:.0%} of the free part of "
            f"a GPU are {MARGIN * memory.of_the_gpu / 2**30:.3g} GiB: narrow the space, or use a "
            "larger GPU"
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
    """The resources of a trial of the study.

    Args:
        study: the study; its `resources.gpu` may be `auto`, which is 0 without a GPU in the
            cluster.
        nodes: the resources of each node, as `CPU` and `GPU`.
        probe_of: creates the probe if it is needed.
    """
    cpu, gpu = study.resources.cpu, study.resources.gpu
    if gpu != "auto":
        return Share(cpu, gpu)
    having = [node for node in nodes if node.get("GPU", 0.0) >= 1]
    if not having:
        return Share(cpu, 0.0)
    cores_per_gpu = min(node.get("CPU", 0.0) / node["GPU"] for node in having)
    most = max(1, math.floor(cores_per_gpu / cpu + 1e-9))
    return Share(cpu, 1 / trials_per_gpu(probe_of(study), most))
