"""Makes `recorded_searches.csv`: small real trainings at every point of a grid of settings.

27 epochs on 256 molecules of the shipped QM9 sample, validated on 256 more, with one seed: the best
validation error so far after the epochs at which successive halving judges. About 10 minutes of one
processor. `python tests/benchmarks/record_searches.py > tests/benchmarks/recorded_searches.csv`
"""

import csv
import math
import sys
from itertools import product

import torch

from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun

MODELS, TASKS = ("gin", "gcn"), ("qm9/alpha", "qm9/homo", "qm9/Cv")
GAMMAS = (1e-4, 1e-3, 5e-3, 0.02, 0.1, 1.0, 10.0)
RATES, DEPTHS = (5e-4, 2e-3, 8e-3), (2, 5)
EPOCHS, JUDGED = 27, (3, 9, 27)


def errors(model, task, gamma, lr, depth):
    """Best validation error so far after each of `JUDGED`; inf from where it diverged on."""
    run = TrainingRun(
        RunConfig(
            model=model,
            task=task,
            model_settings={"hidden": 32, "depth": depth},
            data=DataPlan("sample", 256, 256, 1),
            training=TrainingPlan(epochs=EPOCHS, lr=lr, ema_decay=0.9),
            gamma=gamma,
        )
    )
    seen = [result.val_error for result in run.epochs()]
    if run.diverged:
        seen[-1] = math.inf
    seen += [math.inf] * (EPOCHS - len(seen))
    return [min(seen[:epoch]) if math.isfinite(seen[epoch - 1]) else math.inf for epoch in JUDGED]


def main():
    """Writes the table to standard output."""
    torch.set_num_threads(1)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["model", "task", "gamma", "lr", "depth", *(f"epoch_{e}" for e in JUDGED)])
    for row in product(MODELS, TASKS, GAMMAS, RATES, DEPTHS):
        table.writerow([*row, *(f"{error:.5g}" for error in errors(*row))])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
