"""`make bench`, third part: what a report and an answer cost in a storage folder of many runs.

A hundred cells with 14 γ and 7 seeds, 9,800 runs. Each figure is of a whole process, the start of
Python included: of the first report, which reads all of MLflow, of those after it, which read the
kept table, and of answers.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from bench import show

from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import Study
from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.experiments import STUDY, open_client

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
    return pd.DataFrame(rows, columns=["model", "task", "gamma", "seed", "test_error"])


def fill(storage):
    """A storage folder as a study of many cells leaves it; nothing is kept beside MLflow yet."""
    study = Study(name="many", models={"gin": {}}, tasks=("mu",))
    folder = StudyFolder(storage, study.name)
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    client = open_client(tracking_uri(storage))
    experiment = client.create_experiment(study.name, tags={STUDY: study.name})
    first = client.create_run(experiment)
    client.set_terminated(first.info.run_id)
    table = run_table()
    with closing(sqlite3.connect(storage / "mlflow.db")) as database, database:
        clone(database, first.info.run_id, table)
    return len(table)


def clone(database, first, table):
    """One run of MLflow's own as many times as a table has rows, with the facts of each row.

    Through MLflow itself it would take a quarter of an hour.
    """
    names = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
    kept = ", ".join(name for name in names if name != "run_uuid")
    runs, tags, params, metrics = [], [], [], []
    for number, row in enumerate(table.to_dict("records")):
        run = f"{number:032x}"
        runs.append((run, first))
        cell = f"{row['model']}-{row['task'].partition('/')[2]}"
        facts = {
            "kind": "trial", "study": "many", "model": row["model"], "task": row["task"],
            "cell": cell, "phase": "curve", "trial": f"{cell}/curve/{number:05d}",
            "settings": json.dumps({"gamma": row["gamma"]}), "outcome": "complete", "unit": "meV",
            "scale": "l2, mean", "device": "a device",
        }  # fmt: skip
        tags += [(f"lkm.{name}", value, run) for name, value in facts.items()]
        given = {"n_train": 1000, "seed": row["seed"], "epochs": 100, "depth": 4}
        params += [(name, str(value), run) for name, value in given.items()]
        ended = {"test_error": row["test_error"], "val_error": row["test_error"], "seconds": 60.0}
        metrics += [(f"final/{name}", value, 0, 100, 0, run) for name, value in ended.items()]
    several = database.executemany
    several(
        f"INSERT INTO runs (run_uuid, {kept}) SELECT ?, {kept} FROM runs WHERE run_uuid = ?", runs
    )
    several("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
    several("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
    columns = "(key, value, timestamp, step, is_nan, run_uuid)"
    several(f"INSERT INTO latest_metrics {columns} VALUES (?, ?, ?, ?, ?, ?)", metrics)


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
        asked = ("best-gamma", "--task", "qm9/task1", *at)
        for name, arguments, count in (
            ("`report`, all runs read from MLflow for the first time", ("report", *at), 1),
            ("`report` from the kept table", ("report", *at), repeats),
            ("`best-gamma` of ten cells", asked, repeats),
            ("`best-gamma` of a cell never searched", (*asked, "--model", "other"), repeats),
            ("`best-gamma` after new runs", asked, 1),
        ):
            if name.endswith("new runs"):
                (storage / "transfer/answers.json").unlink()
            wall, processor = zip(*(seconds(*arguments) for _ in range(count)), strict=True)
            yield name, median(wall), max(wall), median(processor)


if __name__ == "__main__":
    show(f"A report of many runs; load {os.getloadavg()[0]:.1f} at its start", rows())
