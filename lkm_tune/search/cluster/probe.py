"""A probe of a study's trials on the GPUs of a cluster, for `gpu: auto`."""

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
"""Bytes of CUDA's context, which a process holds on a GPU before any tensor."""

STEPS = 20

PATIENCE_S = 600.0
"""Longest silent wait for a GPU that others hold."""


@dataclass(frozen=True)
class Memory:
    """Bytes on a GPU: the peak of one trial (infinite if it does not fit), and the free memory."""

    of_a_trial: float
    of_the_gpu: float


class ProbeTrial:
    """The largest trial of a cell, in a separate process."""

    def __init__(self, study: Study, cell: Cell, seen_from: Path) -> None:
        """Builds nothing.

        Args:
            study: the study of the trial.
            cell: the cell of the trial.
            seen_from: the folder where relative paths of data start.
        """
        self._study, self._cell, self._origin = study, cell, Origin(seen_from)

    def begin(self) -> float:
        """Trains and validates one epoch; returns the bytes that the process holds on its GPU."""
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
        """Free bytes on this process's GPU; its context counts as free."""
        import torch

        return float(torch.cuda.mem_get_info()[0]) + CONTEXT


class GpuProbe:
    """Trains a few steps of the largest trials of a study on the cluster's GPUs."""

    def __init__(self, study: Study, trial: type[Any] = ProbeTrial) -> None:
        """Trains nothing.

        Args:
            study: the study of the trials.
            trial: the class of a trial, with the methods of `ProbeTrial`.
        """
        self._study = study
        self._trial = trial

    def memory(self) -> Memory:
        """See `Probe`."""
        takes = []
        for cell in _largest(self._study.cells):
            with self._on_one_gpu(cell, 1) as trials:
                takes += _all(trials, "begin")
        return Memory(max(takes), min(self._free()))

    def step_seconds(self, at_once: int) -> float:
        """See `Probe`."""
        return max(self._together(cell, at_once) for cell in _largest(self._study.cells))

    def _together(self, cell: Cell, at_once: int) -> float:
        with self._on_one_gpu(cell, at_once) as trials:
            if math.inf in _all(trials, "begin"):
                return math.inf
            # The first trial waits for the last: only concurrent trials share the GPU.
            return max(_all(trials, "go_on"))

    def _free(self) -> list[float]:
        """The free bytes of one GPU of each node."""
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
        """A context of `at_once` processes on one GPU; Ray would spread them over several GPUs."""
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


def _largest(cells: Sequence[Cell]) -> list[Cell]:
    """The cell of each model and dataset with the largest compared numbers.

    Tasks of one dataset have molecules of one size. A process for each cell would take minutes.
    """
    largest: dict[tuple[object, ...], Cell] = {}
    for cell in sorted(cells, key=lambda cell: list(_numbers(cell).values())):
        other = [item for item in cell.compared if item[0] not in _numbers(cell)]
        largest[cell.model, cell.task.partition("/")[0], *other] = cell
    return list(largest.values())


def _numbers(cell: Cell) -> dict[str, float]:
    """The compared settings that are numbers."""
    return {name: v for name, v in cell.compared if isinstance(v, int | float)}


def _all(trials: Sequence[Any], method: str) -> list[float]:
    try:
        said: list[float] = ray.get(
            [getattr(t, method).remote() for t in trials], timeout=PATIENCE_S
        )
    except ray.exceptions.GetTimeoutError as error:
        raise ValueError(
            f"resources.gpu: auto: no probe on a GPU ended in {PATIENCE_S:g} s: "
            "others hold all GPUs, or a step takes longer; give a number instead"
        ) from error
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise ValueError(f"resources.gpu: auto: the probe on a GPU failed: {why}") from error
    return said


def _end(trials: Sequence[Any]) -> None:
    for trial in trials:
        ray.kill(trial)
