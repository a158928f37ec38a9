"""`make bench`, third part: what a report and an answer cost in a storage folder of many runs.

The kept table is that of a hundred cells with 14 γ and 7 seeds, 9,800 runs; MLflow is not asked.
Each figure is of a whole process, the start of Python included. `best-gamma` is asked before and
after it has kept its answers, for a cell that was searched and for one that never was.
"""

import os
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from bench import show

from lkm_tune.search.folder import StudyFolder
from lkm_tune.study import Study
from lkm_tune.tracking import ended, tracking_uri

GAMMAS = (0.0, *np.geomspace(1e-4, 10, 13).round(8).tolist())
SEEDS = 7
PROGRAM = "from lkm_tune.cli import main; main()"
SIDE = 10
"""So many architectures with so many tasks."""


def run_table(random=0):
    """Finished curves whose best γ moves with architecture and task; a fifth of them are flat."""
    rng = np.random.default_rng(random)
    by_model, by_task = rng.normal(-1.5, 0.5, SIDE), rng.normal(0, 0.4, SIDE)
    rows = []
    for model, task in product(range(SIDE), range(SIDE)):
        best, depth = by_model[model] + by_task[task], rng.choice([0, 0.03, 0.05, 0.08, 0.1])
        x = np.log10(GAMMAS[1:])
        curve = np.r_[0.0, -depth * np.exp(-0.5 * ((x - best) / 0.8) ** 2)]
        for seed in range(SEEDS):
            errors = np.exp(4 + rng.normal(0, 0.05) + curve + rng.normal(0, 0.01, len(curve)))
            rows += [
                (f"model{model}", f"qm9/task{task}", gamma, seed, error)
                for gamma, error in zip(GAMMAS, errors.tolist(), strict=True)
            ]
    table = pd.DataFrame(rows, columns=["model", "task", "gamma", "seed", "test_error"])
    return table.assign(
        study="many", depth=4, n_train=1000, val_error=table["test_error"], status="complete",
        phase="curve", unit="meV", scale="l2, mean", kd_ratio=0.1, device="a device", seconds=60.0,
        experiment="1", cell_key="", settings="", ended=0,
    )  # fmt: skip


def fill(storage):
    """A storage folder that holds what a study of many cells leaves for a report."""
    database, study = storage / "mlflow.db", Study(name="many", models={"gin": {}}, tasks=("mu",))
    database.touch()
    folder = StudyFolder(storage, study.name)
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    table = run_table()
    uri = tracking_uri(storage)
    state = {
        "version": ended._VERSION, "uri": uri, "rows": len(table), "newest": {}, "curves": {},
        "types": {name: ended._kind(kind) for name, kind in table.dtypes.items()},
        "stamp": ended.database_stamp(uri),
    }  # fmt: skip
    ended._write(storage / "transfer", state, table)
    return len(table)


def seconds(*arguments):
    """Wall and processor time of one command, in a process of its own."""
    begun, used = time.perf_counter(), processor_time()
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, processor_time() - used


def processor_time():
    """Of all commands that have ended: beside other programs the wall clock measures those."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows(repeats=3):
    """The table; of each command the medians and the longest of some runs."""
    with TemporaryDirectory() as folder:
        storage = Path(folder)
        yield f"{fill(storage):,} runs in {SIDE**2} cells", "s", "most s", "processor s"
        at = ("--storage", storage)
        asked = ("best-gamma", "--model", "model1", "--task", "qm9/task1", *at)
        for name, arguments, count in (
            ("`lkm-tune report`", ("report", *at), repeats),
            ("`lkm-tune best-gamma`, nothing kept", asked, 1),
            ("`lkm-tune best-gamma`", asked, repeats),
        ):
            wall, processor = zip(*(seconds(*arguments) for _ in range(count)), strict=True)
            yield name, median(wall), max(wall), median(processor)


if __name__ == "__main__":
    show(f"A report of many runs; load {os.getloadavg()[0]:.1f} at its start", rows())
