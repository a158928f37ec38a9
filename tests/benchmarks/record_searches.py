"""Records small real trainings on a grid of settings, for replays of searches.

Each training has 27 epochs on 256 molecules of the QM9 sample, with 256 validation molecules. The
record is the best validation error so far at the rungs of successive halving. A file takes a third
of an hour of one processor. `record_searches.py NAME > NAME.csv`, NAME of `GRIDS`.
"""

import csv
import math
import sys
from itertools import product

import torch

from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun

EPOCHS, JUDGED = 27, (3, 9, 27)
GRIDS = {
    "recorded_searches": {
        "seed": (0,),
        "model": ("gin", "gcn"),
        "task": ("qm9/alpha", "qm9/homo", "qm9/Cv"),
        "gamma": (1e-4, 1e-3, 5e-3, 0.02, 0.1, 1.0, 10.0),
        "lr": (5e-4, 2e-3, 8e-3),
        "depth": (2, 5),
    },
    "held_out_searches": {
        "seed": (0, 1),
        "task": ("qm9/lumo", "qm9/zpve"),
        "model": ("gin", "gcn", "gat"),
        "gamma": (1e-4, 1e-2, 5e-2, 0.2, 1.0, 3.0, 10.0),
        "lr": (5e-4, 1.25e-3, 3e-3, 8e-3, 2e-2),
        "depth": (2, 5),
    },
}
"""The settings of each file of recordings. The search was designed on the first file only."""


def errors(seed, model, task, gamma, lr, depth):
    """Best validation error so far after each of `JUDGED`; inf after divergence."""
    run = TrainingRun(
        RunConfig(
            model=model,
            task=task,
            model_settings={"hidden": 32, "depth": depth},
            data=DataPlan("sample", 256, 256, 1),
            training=TrainingPlan(epochs=EPOCHS, lr=lr, ema_decay=0.9),
            gamma=gamma,
            seed=seed,
        )
    )
    seen = [result.val_error for result in run.epochs()]
    if run.diverged:
        seen[-1] = math.inf
    seen += [math.inf] * (EPOCHS - len(seen))
    return [min(seen[:epoch]) if math.isfinite(seen[epoch - 1]) else math.inf for epoch in JUDGED]


def main(name):
    """Writes the table to standard output."""
    torch.set_num_threads(1)
    grid = GRIDS[name]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*grid, *(f"epoch_{e}" for e in JUDGED)])
    for row in product(*grid.values()):
        found = errors(**dict(zip(grid, row, strict=True)))
        table.writerow([*row, *(f"{error:.5g}" for error in found)])
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
