"""`make bench`, second part: the cost of the search without the training.

Everything runs through the engine on real Ray with the recorder on, unless a row says otherwise.
Arguments choose tables by name; `large` takes minutes and runs only on request.
"""

import math
import os
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import search_quality
from bench import show
from ray.tune import Callback

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.cluster.joining import connect
from lkm_tune.search.engine import Engine
from lkm_tune.search.planner import Planner
from lkm_tune.search.reporting import StudyTrainable
from lkm_tune.search.trainable import LkmTrainable
from lkm_tune.study import CurvePlan, DataPlan, SearchPlan, Study, TrainingPlan
from lkm_tune.tracking import StudyRecorder

TIMES = "step-times.log"


def make_study(name, trials, epochs, **changes):
    plan = {
        "models": {"pamnet": {"hidden": 16, "depth": 2}},
        "tasks": ("qm9/alpha",),
        "data": DataPlan("sample", 300, 50, 50),
        "search": SearchPlan(
            trials=trials - 2, startup_trials=4, grace_period=epochs, control=False
        ),
        "curve": CurvePlan(gammas=(0.0, 0.1), seeds=(1,)),
        "training": TrainingPlan(epochs=epochs),
    }
    return Study(name=name, **{**plan, **changes})


class Empty(StudyTrainable):
    """Reports epochs without training."""

    def begin(self, config):
        self.epoch, self.budget = 0, config["run"]["training"]["epochs"]

    def step(self):
        self.epoch += 1
        error = 1.0 + 1.0 / self.epoch
        report = epoch_result(self.epoch, error) | {
            "best_error": error, "trained_seconds": 0.0, "device": "none", "done": False
        }  # fmt: skip
        if self.epoch == self.budget:
            report |= {"summary": summary(error, self.epoch), "done": True}
        return report


class Timed(LkmTrainable):
    """Writes the start, end, process and kind of trial of every step."""

    def step(self):
        begun = time.time()
        report = super().step()
        file = Path(self.config["files"]).parents[3] / TIMES
        phase = self.config["trial"]["phase"]
        with file.open("a") as log:
            log.write(f"{os.getpid()} {phase} {report['epoch']} {begun} {time.time()}\n")
        return report


class Begun(Callback):
    """The start of the first trial."""

    at = math.nan

    def on_trial_start(self, **info):
        if math.isnan(self.at):
            self.at = time.perf_counter()


def epoch_result(epoch, error):
    losses = {"total": 1.0, "prediction": 0.9, "kd": 0.1}
    return {
        "epoch": epoch, "losses": losses, "kd_ratio": 0.1, "val_error": error, "lr": 1e-3,
        "seconds": 0.0,
    }  # fmt: skip


def summary(error, epoch):
    return {
        "outcome": "complete", "reason": "full budget", "best_epoch": epoch, "val_error": error,
        "test_error": error, "val_mean_error": 9.0, "test_mean_error": 9.0, "n_parameters": 1,
        "seconds": 0.0, "device": "none",
    }  # fmt: skip


@contextmanager
def storage():
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def run(study, root, trainable, mlflow=True):
    """A whole study with delivery to MLflow, on a running Ray.

    Returns: its seconds, the seconds before its first trial, and the driver's processor time.
    """
    folder = StudyFolder(root, study.name)
    engine = Engine(study, folder, trainable=trainable)
    engine.find_room()
    begun = Begun()
    start, processor = time.perf_counter(), processor_time()
    if not mlflow:
        engine.run([begun])
    else:
        with StudyRecorder(study, folder.path, f"sqlite:///{root / 'mlflow.db'}") as recorder:
            engine.ledger.listen(recorder)
            engine.run([begun])
            recorder.flush(120)
    return time.perf_counter() - start, begun.at - start, processor_time() - processor


def processor_time():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def empty_reports():
    yield "30 trials × 20 empty reports", "s", "of it until the first trial began", "driver's CPU s"
    for _ in range(2):
        for mlflow in (True, False):
            with storage() as root:
                yield (
                    "MLflow on" if mlflow else "MLflow off",
                    *run(make_study("empty", 30, 20), root, Empty, mlflow),
                )


def reissue():
    yield "from the last report to the next trial's first step, same actor", "s"
    with storage() as root:
        run(make_study("reissue", 26, 3), root, Timed)
        gaps = sorted(between_trials(read_times(root / "studies/reissue")))
    yield "median", gaps[len(gaps) // 2]
    yield "worst", gaps[-1]


def busy():
    """Few trials that last half a minute each, in every slot."""
    yield "trials of 30 s or more", "s a trial", "share of the slots' time in training"
    with storage() as root:
        study = make_study("busy", 8, 90, data=DataPlan("sample", 1000, 100, 100))
        run(study, root, Timed)
        times = read_times(root / "studies/busy")
    slots = {}
    for pid, _, _, begun, end in times:
        first, _, trained = slots.get(pid, (begun, end, 0.0))
        slots[pid] = first, end, trained + end - begun
    trained = sum(spent for _, _, spent in slots.values())
    yield "8", trained / 8, trained / sum(last - first for first, last, _ in slots.values())


def overhead():
    """The two sides take turns, with alternating first side."""
    yield "10 trials × 60 epochs", "s", "driver's CPU s"
    took = {True: [], False: []}
    for mlflow in (False, True, True, False):
        with storage() as root:
            study = make_study("cost", 10, 60, data=DataPlan("sample", 600, 100, 100))
            seconds, _, processor = run(study, root, LkmTrainable, mlflow)
        took[mlflow].append((seconds, processor))
        yield "MLflow on" if mlflow else "MLflow off", seconds, processor
    off, on = ([sum(side) for side in zip(*took[m], strict=True)] for m in (False, True))
    yield "on / off", on[0] / off[0], on[1] / off[1]


def read_times(folder):
    lines = [line.split() for line in (folder / TIMES).read_text().splitlines()]
    return sorted(
        ((int(pid), phase, int(epoch), float(begun), float(end))
         for pid, phase, epoch, begun, end in lines),
        key=lambda row: row[3],
    )  # fmt: skip


def between_trials(times):
    """The wait of a curve's first point for the end of its search does not count."""
    last = {}
    for pid, phase, epoch, begun, end in times:
        if epoch == 1 and pid in last and phase == "search":
            yield begun - last[pid]
        last[pid] = end


def large_studies():
    """The driver's work without Ray: draw, record every epoch, judge at rungs, finish."""
    yield "trials × 50 epochs, cells of 100", "ms a trial", "relative to 200"
    first = math.nan
    for trials in (200, 2000):
        with storage() as root:
            cost = 1000 * drive(make_large(trials // 100, 100), root) / trials
        first = cost if math.isnan(first) else first
        yield trials, cost, cost / first


def large_on_ray():
    """The driver's processor time, including MLflow's writer."""
    yield "trials × 50 epochs on Ray", "cells", "s", "driver's CPU ms a trial", "relative to 200"
    first = math.nan
    for cells, each in ((2, 100), (2, 1000), (20, 100)):
        with storage() as root:
            seconds, _, processor = run(make_large(cells, each), root, Empty)
        cost = 1000 * processor / (cells * each)
        first = cost if math.isnan(first) else first
        yield cells * each, cells, seconds, cost, cost / first


def make_large(cells, each):
    tasks = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H")
    return make_study(
        "large", each, 50,
        models={"pamnet": {}, "mxmnet": {}},
        tasks=tuple(f"qm9/{task}" for task in tasks[: cells // 2]),
        search=SearchPlan(trials=each - 2, grace_period=5, control=False),
    )  # fmt: skip


def drive(study, root):
    planner = Planner(study, Ledger(study, root / "ledger.jsonl"))
    with StudyRecorder(study, root, f"sqlite:///{root / 'mlflow.db'}") as recorder:
        planner.ledger.listen(recorder)
        start = time.perf_counter()
        while not planner.finished:
            (spec,) = planner.take_next()
            planner.ledger.start(spec)
            for epoch in range(1, 51):
                error = 1.0 + abs(math.log10(spec.settings["gamma"] + 1e-5)) / 9 + 1.0 / epoch
                planner.ledger.report(spec, epoch_result(epoch, error))
                planner.ledger.enter_rung(spec, epoch, error)
                if not planner.ledger.survives(spec, epoch):
                    break
            planner.ledger.finish(spec, "complete", summary(error, epoch), "")
        took = time.perf_counter() - start
        recorder.flush(600)
    return took


TABLES = {
    "driver": ("The driver's work in large studies, without Ray", large_studies),
    "empty": ("Empty reports (plain Ray Tune with a function trainable took 66 s)", empty_reports),
    "reissue": ("Reissue", reissue),
    "busy": ("Training time", busy),
    "mlflow": ("A study that trains, with MLflow and without", overhead),
    "regret": (
        "Regret of recommended settings, 30 surfaces, whole trials of 27 epochs",
        search_quality.rows,
    ),
    "large": ("The driver's work in large studies, through Ray", large_on_ray),
}


def main(names):
    if unknown := set(names) - set(TABLES):
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    # Ray's workers have a low priority by default; a busy machine would measure other programs.
    os.environ.setdefault("RAY_worker_niceness", "0")
    connect(None)
    for name in names or [name for name in TABLES if name != "large"]:
        title, rows = TABLES[name]
        show(f"{title}; load {os.getloadavg()[0]:.1f} at its start", rows())


if __name__ == "__main__":
    main(sys.argv[1:])
