"""A study on many simulated nodes, in virtual time: the load of its slots and its driver.

The delays of Ray and of the training are measured first, on `ACTORS` real actors. Every study also
runs under a driver that takes no time: trials of unequal length, and curves that wait for their
search, leave slots empty under any driver.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import bench_machinery as machinery
import ray
from bench import show
from virtual_cluster import NONE, Cluster, Delays, timed

from lkm_tune.search import engine
from lkm_tune.search.cluster.joining import connect
from lkm_tune.study import CurvePlan, Resources, SearchPlan
from lkm_tune.tracking.delivery import Delivery

ACTORS = 8
PACE_S = 1.2
"""Seconds of an epoch of the measured actors: each is reported alone, without a queue."""

COMPARED = ((4 * ACTORS, 2), (12 * ACTORS, 2), (4 * ACTORS, 20))
"""Trials and epochs of the measured studies."""

SLOTS = 8
CASES = (
    *((64, 1000, epoch) for epoch in (60.0, 20.0, 5.0, 2.0)),
    *((32, 1000, 20.0), (128, 2000, 20.0)),
    *((64, trials, 20.0) for trials in (2000, 4000)),
    (64, 4000, 5.0),
)
"""Nodes, trials, seconds of an epoch."""


class Paced(machinery.Empty):
    """Epochs of `PACE_S`, with the start and end of each."""

    def step(self):
        begun = time.time()
        time.sleep(PACE_S)
        report = super().step()
        file = Path(self.config["files"]).parents[3] / machinery.TIMES
        with file.open("a") as log:
            log.write(f"{os.getpid()} search {report['epoch']} {begun} {time.time()}\n")
        return report


def measure():
    """The driver's time, from studies with different numbers of trials and of reports.

    The wall time includes other programs. The processor time of the threads of the driver and
    MLflow leaves out waits for Ray. Fixed costs of a study, such as a new database, cancel in the
    differences.
    """
    used, answers, gaps = [], [], []
    # The first study starts every process and imports every module.
    for trials, epochs in ((ACTORS, 1), *COMPARED):
        seconds, times = run_paced(trials, epochs)
        used.append(seconds)
        gaps += machinery.between_trials(times)
        answers += between_steps(times)
    (few, epochs), (many, _), (_, more) = COMPARED
    _, *compared = used
    for base, with_trials, with_reports in zip(*compared, strict=True):
        report = (with_reports - base) / (few * (more - epochs))
        trial = (with_trials - base) / (many - few) - epochs * report
        yield Delays(report, trial, median(answers), median(gaps))


def run_paced(trials, epochs):
    """The time of the driver without waits for its actors, and the times of the actors."""
    plan = {"resources": Resources(cpu=os.cpu_count() / ACTORS)}
    with machinery.storage() as root:
        study = machinery.make_study("paced", trials, epochs, **plan)
        # The simulation measures the planner's part.
        own = Cluster(study, root / "own", ACTORS, PACE_S, NONE).run().driver
        # Tune waits for its actors only in the second function.
        with (
            timed(engine, "run_trials") as ran,
            timed(ray, "wait") as waited,
            timed(Delivery, "_try") as delivered,
        ):
            machinery.run(study, root, Paced)
        processor = ran.processor - waited.processor + delivered.processor
        busy = ran.wall - waited.wall - own, processor - own
        return busy, machinery.read_times(root / "studies/paced")


def between_steps(times):
    last = {}
    for pid, _, epoch, begun, end in times:
        if epoch > 1 and pid in last:
            yield begun - last[pid]
        last[pid] = end


def make_simulated(trials, cells=10):
    """Curves of 9 γ and 4 seeds; the other trials are search trials."""
    curve = CurvePlan(gammas=(0.0, *(10.0**k for k in range(-5, 3))), seeds=(1, 2, 3, 4))
    points = len(curve.gammas) * len(curve.seeds)
    search = SearchPlan(trials=trials // cells - points, grace_period=5, control=False)
    return replace(machinery.make_large(cells, 100), search=search, curve=curve)


def simulate(nodes, epoch, delays, trials, free=False):
    with machinery.storage() as root:
        study = make_simulated(trials)
        return Cluster(study, root, nodes * SLOTS, epoch, delays, free).run()


def rows(delays, cases):
    yield (
        "nodes × 8 slots", "trials", "s an epoch", "slots busy while there is work", "(ideal)",
        "to the end", "(ideal)", "driver busy", "driver's ms a report", "hours", "ideal / hours",
    )  # fmt: skip
    for nodes, trials, epoch in cases:
        real = simulate(nodes, epoch, delays, trials)
        ideal = simulate(nodes, epoch, NONE, trials, free=True)
        busy = [one.busy(until) for until in ("dry", "end") for one in (real, ideal)]
        yield (
            nodes, trials, epoch, *busy, real.driver / real.end,
            1000 * real.driver / len(real.trained), real.end / 3600, ideal.end / real.end,
        )  # fmt: skip


def main():
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_worker_niceness", "0")
    connect(None)
    clock, processor = measure()
    show(
        f"Measured on {ACTORS} actors; load {os.getloadavg()[0]:.1f}",
        iter([
            ("s", *vars(clock)), ("by the clock", *vars(clock).values()),
            ("processor time", *vars(processor).values()),
        ]),
    )  # fmt: skip
    show(
        "Studies of 10 cells, trials of 50 epochs; (ideal) is a driver that takes no time",
        rows(processor, CASES),
    )


if __name__ == "__main__":
    sys.exit(main())
