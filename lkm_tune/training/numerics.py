"""The numbers of a GPU: the precision of matrix products, and operations in a fixed order."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

from lkm_tune.study import TrainingPlan

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def numerics(plan: TrainingPlan, device: torch.device) -> Iterator[None]:
    """A context with `training.matmul` and `training.deterministic` of a plan.

    Both change torch's state of the whole process, which the context restores. On a CPU the context
    changes nothing: a CPU has neither TF32 nor sums whose order varies.
    """
    if device.type == "cpu":
        yield
        return
    precision = torch.get_float32_matmul_precision()
    ordered = torch.are_deterministic_algorithms_enabled()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision(plan.matmul)
    if plan.deterministic:
        # cuBLAS gives equal numbers with workspaces of a fixed size alone.
        os.environ.setdefault(_CUBLAS, ":4096:8")
        torch.use_deterministic_algorithms(True)
        # The package reads no memory that it has not written.
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(ordered)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def reproducible(plan: TrainingPlan, device: torch.device) -> bool:
    """Whether a second run on this device gives the same numbers.

    A GPU adds the messages of edges in an order that varies, so the last digits vary.
    """
    return device.type == "cpu" or plan.deterministic
