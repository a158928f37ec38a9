"""`gpu: auto`: how many trials share a GPU, from a short probe of their memory and step time."""

import math
from collections.abc import Callable
from typing import Protocol

from lkm_tune.search.cluster.probe import Memory
from lkm_tune.search.cluster.slots import Share
from lkm_tune.study import Study

MARGIN = 0.9
"""The part of a GPU's memory that trials may fill: what fragments or varies needs the rest."""

WORTHWHILE = 1.1
"""More trials on a GPU must train this many times as fast together, or each only gets slower."""


class Probe(Protocol):
    """Whoever tries a study's trials out on its GPUs."""

    def memory(self) -> Memory:
        """Of the largest trial of any cell, and of the GPU that has the least free."""

    def step_seconds(self, at_once: int) -> float:
        """Of a training step while so many trials share a GPU, the slowest cell's.

        Infinite where they do not fit.
        """


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
        takes = f"takes {memory.of_a_trial / 2**30:.3g} GiB"
        if math.isinf(memory.of_a_trial):
            takes = "was refused memory"
        raise ValueError(
            f"resources.gpu: auto: the largest trial {takes}, but {MARGIN:.0%} of what is free on "
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
