"""The expected cost of a study, from a few training steps of each cell."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lkm_tune.datasets import find_task
from lkm_tune.search.wanted_array import wanted_array
from lkm_tune.study import Cell, Choice, DataPlan, Range, RunConfig, Study, TrialSpec, plan_summary
from lkm_tune.training import ArrayError, ArrayRun, TrainingRun

STEPS = 4


@dataclass(frozen=True)
class CellCost:
    """The cost of one cell on one thread of this machine.

    Attributes:
        cell: the cell.
        seconds_per_epoch: processor time of training and validation, at settings in the middle of
            their ranges.
        array: the number of points of the curve that train as one program.
        seconds_in_array: the seconds per epoch of each of these points.
        seconds: processor time of all expected epochs of the plan. Search trials count as single
            trials, because the sizes of their arrays are not known in advance.
    """

    cell: Cell
    seconds_per_epoch: float
    array: int
    seconds_in_array: float
    seconds: float


def estimate(study: Study, cache: Path | None = None) -> Iterator[CellCost]:
    """Times a few steps of every cell; cells with the same work share a measurement.

    Raises:
        ValueError: if the data are missing or invalid.
    """
    plan = plan_summary(study)
    points = plan.curve_points * study.training.epochs
    others = plan.expected_epochs / plan.cells - points
    measured: dict[object, tuple[float, int, float]] = {}
    for cell in study.cells:
        same = same_work(study, cell), study.data_plan(cell.task).n_val
        if same not in measured:
            with _one_thread():
                measured[same] = _measured(study, cell, cache)
        alone, array, together = measured[same]
        yield CellCost(cell, alone, array, together, alone * others + together * points)


def same_work(study: Study, cell: Cell) -> tuple[str, int]:
    """Equal for cells whose steps do the same work, such as one network on two targets of QM9."""
    config = middle_of(study, cell, STEPS)
    dataset = find_task(config.task, config.data).dataset
    return json.dumps(replace(config, task=dataset).to_dict(), sort_keys=True), cell.n_train


@contextmanager
def _one_thread() -> Iterator[None]:
    """Computes with one thread, as the cost says."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measured(study: Study, cell: Cell, cache: Path | None) -> tuple[float, int, float]:
    """Seconds of an epoch of a single run; the size of an array of the curve; its seconds a run."""
    few = middle_of(study, cell, STEPS)
    factor = _whole_epochs(study, cell, few)
    alone = _second_epoch(TrainingRun(few, cache=cache).epochs()) * factor
    point = TrialSpec(study.name, cell, "curve", 0, {"gamma": 0.0}, 0, 1)
    array = min(wanted_array(study, point, "cpu"), len(study.curve.gammas))
    if array > 1:
        runs = [
            TrainingRun(replace(few, gamma=gamma), cache=cache)
            for gamma in study.curve.gammas[:array]
        ]
        try:
            return alone, array, _second_epoch(ArrayRun(runs).epochs()) * factor / array
        except ArrayError:
            pass  # The study trains these points one by one.
    return alone, 1, alone


def _second_epoch(epochs: Iterator[Any]) -> float:
    """Processor seconds of the second epoch: the first steps of a process are slower.

    Other programs on the machine would prolong the time of a clock several times.
    """
    next(epochs)
    start = time.process_time()
    next(epochs)
    return time.process_time() - start


def _whole_epochs(study: Study, cell: Cell, few: RunConfig) -> float:
    """How many times the work of a short epoch a whole epoch with its validation has."""
    if _one_graph(study, cell):
        return 1.0
    # Validation has no backward pass: about a third of a training step.
    return (cell.n_train + (study.data_plan(cell.task).n_val or 0) / 3) / (few.data.n_train or 1)


def middle_of(study: Study, cell: Cell, steps: int) -> RunConfig:
    """Two short epochs in the middle of all ranges; arguments as for `at_ends`."""
    settings = {name: _middle(range_) for name, range_ in study.space.items()}
    return _few_steps(study, cell, settings, steps)


def at_ends(study: Study, cell: Cell, steps: int) -> RunConfig:
    """Two short epochs at the upper ends of all ranges: the largest possible trial.

    They validate a full validation batch, which may need more memory than training.

    Args:
        study: the study of the cell.
        cell: the cell of the trial.
        steps: training steps in an epoch.
    """
    settings = {
        name: max(range_.values, key=_size) if isinstance(range_, Choice) else range_.high
        for name, range_ in study.space.items()
    }
    few = _few_steps(study, cell, settings, steps)
    if _one_graph(study, cell):
        return few
    n_val = min(few.training.eval_batch_size, study.data_plan(cell.task).n_val or math.inf)
    return replace(few, data=DataPlan(n_val=int(n_val)).over(few.data))


def _few_steps(study: Study, cell: Cell, settings: Mapping[str, Any], steps: int) -> RunConfig:
    trial = TrialSpec(study.name, cell, "search", 0, settings, study.seed, study.training.epochs)
    config = study.run_config(trial)
    if _one_graph(study, cell):
        return replace(config, training=replace(config.training, epochs=2, warmup_epochs=0.0))
    n_samples = min(steps * config.training.batch_size, cell.n_train)
    return replace(
        config,
        data=DataPlan(n_train=n_samples, n_val=1, n_test=1).over(config.data),
        training=replace(config.training, epochs=2, warmup_epochs=0.0),
    )


def _one_graph(study: Study, cell: Cell) -> bool:
    """Whether the data are one graph, with the fixed sizes of its published split."""
    return bool(find_task(cell.task, study.data_plan(cell.task)).classes)


def _size(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _middle(range_: Range) -> Any:
    if isinstance(range_, Choice):
        return range_.values[len(range_.values) // 2]
    middle = (range_.low * range_.high) ** 0.5 if range_.log else (range_.low + range_.high) / 2
    return round(middle) if range_.type == "int" else middle
