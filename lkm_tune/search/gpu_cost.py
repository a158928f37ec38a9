"""The cost of a study on a GPU, estimated where there is none."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lkm_tune.study import Study, plan_summary

if TYPE_CHECKING:
    from lkm_tune.search.step_work import StepWork

LEAST_SECONDS = 2e-6
"""Time of a kernel of a CUDA graph at least."""

MOST_SECONDS = 10e-6
"""Time in which torch launches a kernel: the driver needs 4 to 6 µs, torch about as much."""

SLOWER = 2.0
"""How far kernels may stay below the speed of the card."""


@dataclass(frozen=True)
class Card:
    """A GPU.

    Attributes:
        name: its name.
        tflops: 10^12 operations a second in single precision, without TF32.
        gb_per_second: 10^9 bytes a second from its memory.
    """

    name: str
    tflops: float
    gb_per_second: float


CARDS = (
    Card("T4", 8.1, 320),
    Card("A100 40 GB", 19.5, 1555),
    Card("L40S", 91.6, 864),
    Card("H100 SXM", 67, 3350),
)
"""Peak rates of NVIDIA's data sheets."""


@dataclass(frozen=True)
class GpuCost:
    """The time of a study on one card with one trial at a time; an estimate, not a measurement.

    Attributes:
        card: the card.
        least: seconds if a CUDA graph repeats the steps, at the peak rate of the card.
        most: seconds if torch launches each kernel, and kernels reach half of both peak rates.
    """

    card: Card
    least: float
    most: float


def gpu_costs(study: Study, cache: Path | None = None) -> tuple[GpuCost, ...]:
    """The cost of a study on each of `CARDS`; empty if trials hold no GPU or a GPU is visible.

    Args:
        study: the study.
        cache: the folder of prepared data; None for the default.

    Raises:
        ValueError: if the data are missing or invalid.
    """
    if study.resources.gpu == 0 or torch.cuda.is_available():
        return ()
    from lkm_tune.search.cost import middle_of, same_work
    from lkm_tune.search.step_work import work_of_step

    epochs = plan_summary(study).expected_epochs / len(study.cells)
    steps, counted = [], {}
    for cell in study.cells:
        config, same = middle_of(study, cell, 1), same_work(study, cell)
        if same not in counted:
            counted[same] = work_of_step(config, cache)
        batch = config.training.batch_size
        # Validation has no backward pass: about a third of a training step.
        samples = cell.n_train + (study.data_plan(cell.task).n_val or 0) / 3
        steps.append((epochs * math.ceil(samples / batch), counted[same]))
    return tuple(_on(card, steps) for card in CARDS)


def _on(card: Card, steps: Iterable[tuple[float, "StepWork"]]) -> GpuCost:
    cost = GpuCost(card, 0.0, 0.0)
    for count, work in steps:
        computing = work.flops / (card.tflops * 1e12)
        moving = work.nbytes / (card.gb_per_second * 1e9)
        least = max(LEAST_SECONDS * work.launches, computing)
        most = MOST_SECONDS * work.launches + SLOWER * (computing + moving)
        cost = replace(cost, least=cost.least + count * least, most=cost.most + count * most)
    return cost
