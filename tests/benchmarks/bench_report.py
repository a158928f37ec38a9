"""`make bench`, third part: costs of a report and of an answer in a storage folder of many runs.

The folder has 9,800 runs: a hundred cells with 14 γ and 7 seeds. Each figure is the cost of a whole
process, including the start of Python: of reports, which read the ledgers, and of answers, stored
and after new runs.
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

from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import SearchPlan, Study, TrainingPlan

GAMMAS = (0.0, *np.geomspace(1e-4, 10, 13).round(8).tolist())
SEEDS = 7
PROGRAM = "from lkm_tune.cli import main; main()"
SIDE = 10
"""Numbers of architectures and of tasks."""

TASKS = tuple(
    f"qm9/{name}" for name in ["mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H"]
)


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
                (f"model{model}", TASKS[task], gamma, seed, error)
                for gamma, error in zip(GAMMAS, errors.tolist(), strict=True)
            ]
    return pd.DataFrame(rows, columns=["model", "task", "gamma", "seed", "test_error"])


def fill(storage):
    """The storage folder of a study with many cells."""
    table = run_table()
    study = Study(
        name="many",
        models={f"model{number}": {} for number in range(SIDE)},
        tasks=TASKS,
        search=SearchPlan(trials=0, control=False),
        training=TrainingPlan(epochs=100),
    )
    folder = StudyFolder(storage, study.name)
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    folder.write_facts(StudyFacts({model: {"depth": 4} for model in study.models}))
    cells = {(cell.model, cell.task): cell for cell in study.cells}
    ledger = Ledger(study, folder.ledger)
    # One wait for the disk instead of twenty thousand.
    with ledger._journal.together():
        for row in table.to_dict("records"):
            cell, settings = cells[row["model"], row["task"]], {"gamma": row["gamma"]}
            enter(ledger, ledger.add_point(cell, "curve", settings, row["seed"]), row)
    return len(table)


def enter(ledger, spec, row):
    """The end of a run, without the wait for the disk in `finish`."""
    errors = {"val_error": row["test_error"], "test_error": row["test_error"]}
    summary = {**errors, "seconds": 60.0, "device": "a device", "kd_ratio": 0.1}
    trial = ledger._trial(spec)
    for name, value in {"state": "complete", "reason": "full budget", "summary": summary}.items():
        trial.set_user_attr(name, value)
    ledger._optuna[spec.cell, spec.phase].tell(spec.number, summary["val_error"])


def seconds(*arguments):
    """Wall and processor time of one command, in a separate process."""
    begun, used = time.perf_counter(), processor_time()
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, processor_time() - used


def processor_time():
    """Processor time of all ended commands; the wall time would include other programs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows(repeats=3):
    """The table: for each command, the medians and the maximum of some runs."""
    with TemporaryDirectory() as folder:
        storage = Path(folder)
        yield f"{fill(storage):,} runs in {SIDE**2} cells", "s", "most s", "processor s"
        at = ("--storage", storage)
        asked = ("best-gamma", "--task", TASKS[1], *at)
        for name, arguments, count in (
            ("`report` of all studies", ("report", *at), repeats),
            ("`status`", ("status", *at), repeats),
            ("`best-gamma` of ten cells", asked, repeats),
            ("`best-gamma` of a cell without a search", (*asked, "--model", "gin"), repeats),
            ("`best-gamma` after new runs", asked, 1),
        ):
            if name.endswith("new runs"):
                (storage / "transfer/answers.json").unlink()
            wall, processor = zip(*(seconds(*arguments) for _ in range(count)), strict=True)
            yield name, median(wall), max(wall), median(processor)


if __name__ == "__main__":
    show(f"A report of many runs; load {os.getloadavg()[0]:.1f} at its start", rows())
