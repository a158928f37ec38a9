"""Trying a study's trials out on the GPUs of a cluster, for `gpu: auto`."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import (
    NodeAffinitySchedulingStrategy,
    PlacementGroupSchedulingStrategy,
)

from lkm_tune.datasets import Origin
from lkm_tune.search.cluster.slots import gpu_nodes
from lkm_tune.search.cost import at_ends
from lkm_tune.study import Cell, Study
from lkm_tune.training import TrainingRun

CONTEXT = 600 * 2**20
"""Bytes that a process holds on a GPU before it has any tensor: CUDA's context."""

STEPS = 20

PATIENCE_S = 600.0
"""A GPU that others hold for so long is not waited for without a word."""


@dataclass(frozen=True)
class Memory:
    """Bytes on a GPU: what one trial takes at most (infinite: more than there is), what is free."""

    of_a_trial: float
    of_the_gpu: float


class ProbeTrial:
    """The largest trial of a cell, in a process of its own."""

    def __init__(self, study: Study, cell: Cell, seen_from: Path) -> None:
        """Nothing is built yet.

        Args:
            study: whose trial it is.
            cell: of the study.
            seen_from: the folder that relative paths of data start from.
        """
        self._study, self._cell, self._origin = study, cell, Origin(seen_from)

    def begin(self) -> float:
        """Trains and validates one epoch; the bytes that the process then holds on its GPU."""
        import torch

        torch.set_num_threads(max(1, int(self._study.resources.cpu)))
        try:
            config = at_ends(self._study, self._cell, STEPS)
            run = TrainingRun(config, "cuda", origin=self._origin)
            self._epochs = run.epochs()
            next(self._epochs)
        except torch.OutOfMemoryError:
            return math.inf
        return float(torch.cuda.max_memory_reserved()) + CONTEXT

    def go_on(self) -> float:
        """Seconds of a step of another epoch; the first steps of a process are slower."""
        import torch

        start = time.perf_counter()
        try:
            next(self._epochs)
            torch.cuda.synchronize()
        except torch.OutOfMemoryError:
            return math.inf
        return (time.perf_counter() - start) / STEPS

    def free(self) -> float:
        """Bytes that are free on this process's GPU, its own context left out."""
        import torch

        return float(torch.cuda.mem_get_info()[0]) + CONTEXT


class GpuProbe:
    """Trains a few steps of the largest trial of every cell on the cluster's GPUs."""

    def __init__(self, study: Study, trial: type[Any] = ProbeTrial) -> None:
        """Nothing is trained yet.

        Args:
            study: whose trials they are.
            trial: what stands for a trial, with the methods of `ProbeTrial`.
        """
        self._study = study
        self._trial = trial

    def memory(self) -> Memory:
        """See `Probe`."""
        takes = []
        for cell in self._study.cells:
            with self._on_one_gpu(cell, 1) as trials:
                takes += _all(trials, "begin")
        return Memory(max(takes), min(self._free()))

    def step_seconds(self, at_once: int) -> float:
        """See `Probe`."""
        return max(self._together(cell, at_once) for cell in self._study.cells)

    def _together(self, cell: Cell, at_once: int) -> float:
        with self._on_one_gpu(cell, at_once) as trials:
            if math.inf in _all(trials, "begin"):
                return math.inf
            # Whoever is first has to wait for the last: only what runs at once shares the GPU.
            return max(_all(trials, "go_on"))

    def _free(self) -> list[float]:
        """Of a GPU of each node: the smallest one decides."""
        look = ray.remote(num_cpus=0, num_gpus=1)(self._trial)
        asked = [
            look.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(self._study, self._study.cells[0], Path.cwd())
            for node in gpu_nodes()
        ]
        try:
            return _all(asked, "free")
        finally:
            _end(asked)

    @contextmanager
    def _on_one_gpu(self, cell: Cell, at_once: int) -> Iterator[list[Any]]:
        """So many processes that share one GPU; Ray by itself would spread them over several."""
        cpu = self._study.resources.cpu
        held = placement_group([{"GPU": 1, "CPU": cpu * at_once}], strategy="STRICT_PACK")
        share = ray.remote(
            num_gpus=1 / at_once,
            num_cpus=cpu,
            scheduling_strategy=PlacementGroupSchedulingStrategy(held, 0),
        )(self._trial)
        trials = [share.remote(self._study, cell, Path.cwd()) for _ in range(at_once)]
        try:
            yield trials
        finally:
            _end(trials)
            remove_placement_group(held)


def _all(trials: Sequence[Any], method: str) -> list[float]:
    try:
        said: list[float] = ray.get(
            [getattr(t, method).remote() for t in trials], timeout=PATIENCE_S
        )
    except ray.exceptions.GetTimeoutError as error:
        raise ValueError(
            f"resources.gpu: auto: nothing could be tried out on a GPU for {PATIENCE_S:g} s: "
            "others hold them all, or a step takes longer; give the number instead"
        ) from error
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise ValueError(
            f"resources.gpu: auto: no trial could be tried out on a GPU: {why}"
        ) from error
    return said


def _end(trials: Sequence[Any]) -> None:
    for trial in trials:
        ray.kill(trial)
