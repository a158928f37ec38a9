"""Numbers on a GPU: torch's settings within a run's steps, and what its record says."""

from dataclasses import replace

import pytest
import torch

from lkm_tune.study import TrainingPlan
from lkm_tune.training.numerics import numerics, reproducible

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PLAIN = TrainingPlan()
FAST = replace(PLAIN, matmul="high")
SAME = replace(PLAIN, deterministic=True)


def settings():
    return torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("plan", "device", "within"),
    [
        (PLAIN, GPU, ("highest", False)),
        (FAST, GPU, ("high", False)),
        (SAME, GPU, ("highest", True)),
        (FAST, CPU, ("highest", False)),
        (SAME, CPU, ("highest", False)),
    ],
)
def test_torch_has_the_settings_of_the_plan_within_the_steps_alone(plan, device, within):
    before = settings()
    with pytest.raises(KeyError), numerics(plan, device):
        assert settings() == within
        raise KeyError
    assert settings() == before == ("highest", False)


@pytest.mark.parametrize(
    ("plan", "device", "known"),
    [(PLAIN, CPU, True), (PLAIN, GPU, False), (FAST, GPU, False), (SAME, GPU, True)],
)
def test_a_run_on_a_gpu_is_not_reproducible_unless_its_plan_says_so(plan, device, known):
    assert reproducible(plan, device) is known
