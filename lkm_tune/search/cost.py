"""What a study will cost, from a few training steps of each cell."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lkm_tune.study import Cell, Choice, DataPlan, Range, Study, TrialSpec, plan_summary
from lkm_tune.training import TrainingRun

# A fresh network's first step is slower than the rest.
STEPS = 3


@dataclass(frozen=True)
class Cost:
    """Of one cell, on one thread of this machine.

    Attributes:
        seconds_per_epoch: training and validation, at settings in the middle of their ranges.
        seconds: of all that the plan expects to train.
    """

    seconds_per_epoch: float
    seconds: float


def estimate(study: Study, cache: Path | None = None) -> Iterator[tuple[Cell, Cost]]:
    """Times a few steps of every cell.

    Raises:
        ValueError: if the data have fewer samples than the study asks for.
    """
    plan = plan_summary(study)
    for cell in study.cells:
        seconds = _seconds_per_epoch(study, cell, cache)
        yield cell, Cost(seconds, seconds * plan.expected_epochs / plan.cells)


def _seconds_per_epoch(study: Study, cell: Cell, cache: Path | None) -> float:
    settings = {name: _middle(range_) for name, range_ in study.space.items()}
    trial = TrialSpec(study.name, cell, "search", 0, settings, study.seed, study.training.epochs)
    config = study.run_config(trial)
    TrainingRun(config, cache=cache)  # The whole data: too few samples are found here.
    batch = config.training.batch_size
    sizes = [min(n * batch, study.data.n_train) for n in (1, 1 + STEPS)]
    one, more = (_time_epoch(_with_samples(config, n), cache) for n in sizes)
    per_sample = max(more - one, 0.0) / max(sizes[1] - sizes[0], 1) or one / sizes[0]
    return per_sample * study.data.n_train


def _with_samples(config: Any, n_train: int) -> Any:
    data = DataPlan(config.data.source, n_train, 1, 1)
    return replace(config, data=data)


def _time_epoch(config: Any, cache: Path | None) -> float:
    run = TrainingRun(config, cache=cache)
    start = time.perf_counter()
    next(run.epochs())
    return time.perf_counter() - start


def _middle(range_: Range) -> Any:
    if isinstance(range_, Choice):
        return range_.values[len(range_.values) // 2]
    middle = (range_.low * range_.high) ** 0.5 if range_.log else (range_.low + range_.high) / 2
    return round(middle) if range_.type == "int" else middle
