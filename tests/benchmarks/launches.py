"""The kernels that a training step would launch on a GPU, counted on a CPU.

`python tests/benchmarks/launches.py [RUNS]`: of one run, and of an array of RUNS (8). See
`lkm_tune/search/step_work.py` for the counting. Preparation is not counted: the CPU does it. Two
molecules make a batch: the number of launches does not depend on its size.
"""

import functools
import sys
from dataclasses import replace

import torch
from bench import show

from lkm_tune.models import torch_forms
from lkm_tune.search.step_work import Work
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun, TrainingRun

BATCH = 2


def launches(act):
    act()
    with Work() as counted:
        act()
    return counted.launches


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
        program = array.program(runs)
        with torch_forms():
            together = launches(lambda: program.step(parts))  # noqa: B023
        yield config.task, config.model, one, together, together / one


if __name__ == "__main__":
    torch.set_num_threads(1)
    # On a GPU, torch clips the gradient as a list of tensors.
    clip = torch.nn.utils.clip_grad_norm_
    torch.nn.utils.clip_grad_norm_ = functools.partial(clip, foreach=True)
    k = int(sys.argv[1]) if sys.argv[1:] else 8
    show("Launches of a training step at published size", table(k))
