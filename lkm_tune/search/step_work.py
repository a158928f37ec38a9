"""The work of a training step on a GPU, counted on a CPU: kernels, operations and bytes.

Each operation of torch launches a kernel, and views launch none. The kernels of a sort, of a sum by
index and of an operation on a list of tensors are estimated.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lkm_tune.models import torch_forms
from lkm_tune.study import RunConfig
from lkm_tune.training import TrainingRun

VIEWS = {
    "view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze",
    "detach", "alias", "split", "unbind", "as_strided", "_unsafe_view", "diagonal", "lift_fresh",
    "unfold", "_reshape_alias", "empty", "empty_like", "new_empty", "empty_strided", "detach_",
    "view_as", "split_with_sizes", "new_empty_strided",
}  # fmt: skip
"""Operations without a kernel."""

SEVERAL = {
    "index_add": 2, "sort": 6, "unique_consecutive": 9, "bincount": 6, "repeat_interleave": 4,
    "cumsum": 2, "nonzero": 5, "index_put": 2, "index_copy": 2, "masked_fill": 2, "scatter_add": 2,
}  # fmt: skip
"""Operation -> its kernels, if there are several."""

LISTS = {
    "_fused_adam_": 36, "_foreach_lerp_": 64, "_foreach_norm": 110, "_foreach_mul_": 110,
    "_foreach_add_": 110,
}  # fmt: skip
"""Operation on a list -> the number of tensors of a kernel."""

ROWS = {"index_select", "gather", "index", "embedding"}
"""Operations that read only some rows of their first tensor, as many as they write."""

CLIP = 10
"""Kernels that clip the gradient on a GPU; on a CPU torch clips the tensors one by one."""


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts kernels, and the bytes that they read and write.

    Attributes:
        launches: the number of kernels.
        nbytes: the bytes of all their inputs and results.
    """

    def __init__(self) -> None:
        """Counts nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches = self.nbytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation and counts it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name in LISTS:
            self.launches += math.ceil(len(args[0]) / LISTS[name]) + (name == "_foreach_norm")
        elif name not in VIEWS:
            self.launches += SEVERAL.get(name, 1)
        if name not in VIEWS:
            read = (out, args[1:]) if name in ROWS else args
            moved = tree_leaves((read, kwargs, out))
            self.nbytes += sum(t.nbytes for t in moved if isinstance(t, Tensor))
        return out


@dataclass(frozen=True)
class StepWork:
    """The work of one training step.

    Attributes:
        launches: kernels.
        flops: additions and multiplications of matrix products.
        nbytes: bytes that kernels read and write, as if nothing stayed in a cache.
    """

    launches: int
    flops: int
    nbytes: int


def work_of_step(config: RunConfig, cache: Path | None = None) -> StepWork:
    """The work of a step of a run, which is made on the CPU.

    Args:
        config: the config of the run.
        cache: the folder of prepared data; None for the default.

    Raises:
        ValueError: if the data are missing or invalid.
    """
    run = TrainingRun(config, cache=cache)
    run.model.train()
    parts = run.batches.parts(run.data.split.train[: run.objective.batch_size])
    run.step(parts)  # the first step also makes the state of Adam
    run.optimizer.zero_grad()
    with _counted() as (work, flops):
        for part in parts:
            run.add_gradient(part)
        run.program.update([], *run.program.rates())
    return StepWork(work.launches + CLIP, flops.get_total_flops(), work.nbytes)


@contextmanager
def _counted() -> Iterator[tuple[Work, FlopCounterMode]]:
    with torch_forms(), FlopCounterMode(display=False) as flops, Work() as work:
        yield work, flops
