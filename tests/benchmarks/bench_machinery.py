"""`make bench`, second part: what the search itself costs, beside the training.

Everything runs through the engine on real Ray with the recorder on, unless a row says otherwise.
"""

import math
import os
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import search_quality
from bench import show

from lkm_tune.search.engine import Engine, connect
from lkm_tune.search.folder import StudyFolder
from lkm_tune.search.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.search.reporting import StudyTrainable
from lkm_tune.search.trainable import LkmTrainable
from lkm_tune.study import CurvePlan, DataPlan, SearchPlan, Study, TrainingPlan
from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.callback import MlflowCallback

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
    """Reports epochs in which nothing was trained."""

    def setup(self, config):
        self.epoch, self.budget = 0, config["run"]["training"]["epochs"]

    def step(self):
        self.epoch += 1
        error = 1.0 + 1.0 / self.epoch
        report = epoch_result(self.epoch, error) | {"best_error": error, "done": False}
        if self.epoch == self.budget:
            report |= {"summary": summary(error, self.epoch), "done": True}
        return report


class Timed(LkmTrainable):
    """Writes when every step began and ended, and in which process."""

    def step(self):
        begun = time.time()
        report = super().step()
        file = Path(self.config["folder"]).parents[3] / TIMES
        with file.open("a") as log:
            log.write(f"{os.getpid()} {report['epoch']} {begun} {time.time()}\n")
        return report


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
        "seconds": 0.0,
    }  # fmt: skip


@contextmanager
def storage():
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def run(study, root, trainable, mlflow=True):
    """Seconds of a whole study, MLflow delivered, on a Ray that runs already."""
    folder = StudyFolder(root, study.name)
    engine = Engine(study, folder, trainable=trainable)
    engine.find_room()
    start = time.perf_counter()
    if not mlflow:
        engine.run()
        return time.perf_counter() - start
    with StudyRecorder(study, folder.path, f"sqlite:///{root / 'mlflow.db'}") as recorder:
        recorder_of = MlflowCallback(
            recorder, lambda spec: study.run_config(spec).to_dict(), engine.given_up
        )
        engine.run([recorder_of])
        recorder.flush(120)
    return time.perf_counter() - start


def empty_reports():
    yield "30 trials × 20 empty reports", "s"
    for mlflow in (True, False):
        with storage() as root:
            seconds = run(make_study("empty", 30, 20), root, Empty, mlflow)
            yield "MLflow on" if mlflow else "MLflow off", seconds


def reissue():
    yield "from the last report to the next trial's first step, same actor", "s"
    with storage() as root:
        run(make_study("reissue", 12, 3), root, Timed)
        gaps = sorted(between_trials(read_times(root / "studies/reissue")))
    yield "median", gaps[len(gaps) // 2]
    yield "worst", gaps[-1]


def busy():
    """Few trials that last half a minute each."""
    yield "trials of 30 s or more", "s a trial", "share of the slot's time in training"
    limited = SearchPlan(trials=2, startup_trials=1, grace_period=40, control=False,
                         max_concurrent=1)  # fmt: skip
    with storage() as root:
        study = make_study("busy", 4, 40, data=DataPlan("sample", 1000, 100, 100), search=limited)
        run(study, root, Timed)
        times = read_times(root / "studies/busy")
    whole = times[-1][3] - times[0][2]
    trained = sum(end - begun for _, _, begun, end in times)
    yield "4", trained / 4, trained / whole


def overhead():
    yield "the same study", "MLflow off s", "MLflow on s", "on / off"
    took = {True: [], False: []}
    for _ in range(3):
        for mlflow in took:
            with storage() as root:
                took[mlflow].append(run(make_study("cost", 10, 20), root, LkmTrainable, mlflow))
    off, on = (sorted(took[mlflow])[1] for mlflow in (False, True))
    yield "10 trials × 20 epochs", off, on, on / off


def read_times(folder):
    lines = [line.split() for line in (folder / TIMES).read_text().splitlines()]
    return sorted(
        ((int(pid), int(epoch), float(begun), float(end)) for pid, epoch, begun, end in lines),
        key=lambda row: row[2],
    )


def between_trials(times):
    last = {}
    for pid, epoch, begun, end in times:
        if epoch == 1 and pid in last:
            yield begun - last[pid]
        last[pid] = end


def large_studies():
    """The driver's own work, without Ray: draw, note every epoch, judge at rungs, finish."""
    yield "trials × 50 epochs, cells of 100", "ms a trial", "relative to 200"
    first = math.nan
    for trials in (200, 2000):
        with storage() as root:
            cost = 1000 * drive(trials // 100, root) / trials
        first = cost if math.isnan(first) else first
        yield trials, cost, cost / first


def drive(cells, root):
    tasks = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H")
    study = make_study(
        "large", 100, 50,
        models={"pamnet": {}, "mxmnet": {}},
        tasks=tuple(f"qm9/{task}" for task in tasks[: cells // 2]),
        search=SearchPlan(trials=98, grace_period=5, control=False),
        curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1,)),
    )  # fmt: skip
    planner = Planner(study, Ledger(study, root / "ledger.jsonl"))
    with StudyRecorder(study, root, f"sqlite:///{root / 'mlflow.db'}") as recorder:
        start = time.perf_counter()
        while not planner.finished:
            spec = planner.next()
            recorder.start(spec, study.run_config(spec).to_dict())
            for epoch in range(1, 51):
                error = 1.0 + abs(math.log10(spec.settings["gamma"] + 1e-5)) / 9 + 1.0 / epoch
                recorder.epoch(spec, epoch_result(epoch, error))
                if not planner.ledger.goes_on(spec, epoch, error):
                    break
            planner.ledger.finish(spec, "complete", summary(error, epoch), "")
            recorder.end(spec, "complete", summary(error, epoch))
        took = time.perf_counter() - start
        recorder.flush(600)
    return took


def main():
    show("The driver's work in large studies", large_studies())
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    connect(None)
    show("Empty reports (plain Ray Tune with a function trainable took 66 s)", empty_reports())
    show("Reissue", reissue())
    show("Training time", busy())
    show("MLflow", overhead())
    show("Regret of recommended settings, 30 surfaces, whole trials of 27 epochs",
         search_quality.rows())  # fmt: skip


if __name__ == "__main__":
    main()
