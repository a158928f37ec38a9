"""The kernels that a training step would launch on a GPU, counted on a CPU.

`python tests/benchmarks/launches.py [RUNS]`: of one run, and of an array of RUNS (8). Operations of
torch without C kernels count, views do not; a sort, a sum by index and operations on lists of
tensors are estimated. Preparation is not counted: the CPU does it. Two molecules make a batch: the
number of launches does not depend on its size.
"""

import functools
import math
import sys
from collections import Counter
from dataclasses import replace

import torch
from bench import show
from torch.utils._python_dispatch import TorchDispatchMode

from lkm_tune.models import torch_forms
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun, TrainingRun

BATCH = 2
VIEWS = {
    "view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze",
    "detach", "alias", "split", "unbind", "as_strided", "_unsafe_view", "diagonal", "lift_fresh",
    "unfold",
    "_reshape_alias", "empty", "empty_like", "new_empty", "empty_strided", "detach_", "view_as",
    "split_with_sizes", "new_empty_strided",
}  # fmt: skip
SEVERAL = {
    "index_add": 2, "sort": 6, "unique_consecutive": 9, "bincount": 6, "repeat_interleave": 4,
    "cumsum": 2, "nonzero": 5, "index_put": 2, "index_copy": 2, "masked_fill": 2, "scatter_add": 2,
}  # fmt: skip
LISTS = {
    "_fused_adam_": 36, "_foreach_lerp_": 64, "_foreach_norm": 110, "_foreach_mul_": 110,
    "_foreach_add_": 110,
}  # fmt: skip
"""Operation on a list -> the number of tensors of a launch."""


class Launches(TorchDispatchMode):
    """Counts launches."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in LISTS:
            self.count[name] += math.ceil(len(args[0]) / LISTS[name]) + (name == "_foreach_norm")
        elif name not in VIEWS:
            self.count[name] += SEVERAL.get(name, 1)
        return out


def launches(act):
    act()
    with Launches() as counted:
        act()
    return sum(counted.count.values())


def configs():
    energy = [("qm9/U0", name) for name in ("pamnet", "mxmnet", "dimenet++", "gcn", "gat", "gin")]
    forces = [("rmd17/ethanol", name) for name in ("pamnet", "mxmnet", "dimenet++")]
    for task, model in [*energy, *forces]:
        yield RunConfig(
            model=model,
            task=task,
            data=DataPlan("sample" if task == "qm9/U0" else None, 8, 2, 2),
            training=TrainingPlan(epochs=2, batch_size=BATCH, eval_batch_size=BATCH),
        )


def table(k):
    yield "task", "model", "one run", f"array of {k}", "ratio"
    for config in configs():
        runs = [TrainingRun(replace(config, gamma=0.1 * (i + 1))) for i in range(k)]
        first = runs[0]
        first.model.train()
        parts = first.batches.parts(first.data.split.train[:BATCH])
        with torch_forms():
            one = launches(lambda: first.step(parts))  # noqa: B023
        array = ArrayRun(runs)
        stack = array.stack(runs)
        with torch_forms():
            together = launches(lambda: array.step(runs, stack, parts))  # noqa: B023
        yield config.task, config.model, one, together, together / one


if __name__ == "__main__":
    torch.set_num_threads(1)
    # On a GPU, torch clips the gradient as a list of tensors.
    clip = torch.nn.utils.clip_grad_norm_
    torch.nn.utils.clip_grad_norm_ = functools.partial(clip, foreach=True)
    k = int(sys.argv[1]) if sys.argv[1:] else 8
    show("Launches of a training step at published size", table(k))
