"""Learning rate and weight averaging against their definitions."""

import math

import pytest
import torch

from lkm_tune.training.schedule import WeightAverage, make_schedule, warmup_cosine


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 1 / 5), (3, 4 / 5), (4, 1.0), (9, 0.5), (14, 0.0), (100, 0.0)],
)
def test_linear_warmup_then_cosine(step, factor):
    assert warmup_cosine(step, warmup_steps=4, total_steps=14) == pytest.approx(factor, abs=1e-12)


def test_the_schedule_drives_the_optimiser():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make_schedule(optimizer, warmup_steps=1, total_steps=3)
    rates = []
    for _ in range(3):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1.0, 2.0, 2 * 0.5 * (1 + math.cos(math.pi / 2))])


def test_the_average_follows_its_recursion():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    averaged = WeightAverage(model, decay=0.5)
    expected = 2.0
    for n, value in enumerate([1.0, 3.0, 5.0, 7.0, 11.0, 2.0, 8.0, 9.0, 1.0, 4.0, 6.0]):
        torch.nn.init.constant_(model.weight, value)
        averaged.update(1 - averaged.next_decay)
        averaged.updates += 1
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
        assert averaged.network.weight.item() == pytest.approx(expected, rel=1e-6)
