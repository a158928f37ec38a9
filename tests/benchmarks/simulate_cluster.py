"""A study on more nodes than one has, in virtual time.

The searcher, scheduler, planner and ledger are the project's own, and what they cost is taken from
the clock as they work. Ray, and the training, are delays: measured on `ACTORS` real actors first.
The driver is one server with a queue. An actor that has reported waits for its answer. Beside every
study stands the same one under a driver that takes no time, since trials of unequal length, and a
curve that waits for its search, leave slots empty under any driver.
"""

import heapq
import math
import os
import random
import sys
import time
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import bench_machinery as machinery
from bench import show

from lkm_tune.search.engine import connect
from lkm_tune.search.ledger import Ledger
from lkm_tune.search.limits import Limits
from lkm_tune.search.meter import Spent
from lkm_tune.search.planner import Planner
from lkm_tune.search.reporting import BATCH_SECONDS
from lkm_tune.search.searcher import CellScheduler, StudySearcher
from lkm_tune.search.slots import Share, Slots
from lkm_tune.study import CurvePlan, Resources, SearchPlan, TrialSpec

ACTORS = 8
PACE_S = 1.2
"""Of an epoch of the measured actors: each is reported by itself, and the driver has no queue."""

ACTOR_START_S = 8.0
"""Until a new actor has imported torch and PyTorch Geometric, on a core of its own."""

SLOTS = 8
CASES = (
    *((64, 1000, epoch) for epoch in (60.0, 20.0, 5.0, 2.0)),
    *((32, 1000, 20.0), (128, 1000, 20.0)),
    *((64, 4000, epoch) for epoch in (60.0, 20.0, 5.0)),
)
"""Nodes, trials, seconds of an epoch."""

SPREAD = 0.4
"""Standard deviation of the logarithm of the time that epochs take, between trials."""


@dataclass(frozen=True)
class Delays:
    """Seconds: of the driver's for a report and for a trial, MLflow with them; from a report to the
    next step of the trial, and to the first step of the next one, at an idle driver."""

    report: float
    trial: float
    answer: float
    reissue: float


NONE = Delays(0.0, 0.0, 0.0, 0.0)


class Paced(machinery.Empty):
    """Epochs of `PACE_S`, and when each began and ended."""

    def step(self):
        begun = time.time()
        time.sleep(PACE_S)
        report = super().step()
        file = Path(self.config["files"]).parents[3] / machinery.TIMES
        with file.open("a") as log:
            log.write(f"{os.getpid()} search {report['epoch']} {begun} {time.time()}\n")
        return report


def measure():
    """The driver's time by two studies that differ in the reports of a trial."""
    plan = {"resources": Resources(cpu=os.cpu_count() / ACTORS)}
    used, answers = {}, []
    # The first one only has every process started and every module imported.
    for trials, epochs in ((ACTORS, 1), (4 * ACTORS, 2), (2 * ACTORS, 20)):
        with machinery.storage() as root:
            study = machinery.make_study("paced", trials, epochs, **plan)
            # The simulation takes the planner's part from the clock by itself.
            own = Cluster(study, root / "own", ACTORS, PACE_S, NONE).run().driver
            used[trials * epochs] = machinery.run(study, root, Paced)[2] - own, trials
            times = machinery.read_times(root / "studies/paced")
        gaps = sorted(machinery.between_trials(times))
        answers += between_steps(times)
    (few, many_trials), (more, few_trials) = list(used.items())[1:]
    (a, n), (b, m) = many_trials, few_trials
    # a = n · trial + few · report; b = m · trial + more · report.
    report = (b * n - a * m) / (more * n - few * m)
    answers.sort()
    return Delays(report, (a - few * report) / n, answers[len(answers) // 2], gaps[len(gaps) // 2])


def between_steps(times):
    last = {}
    for pid, _, epoch, begun, end in times:
        if epoch > 1 and pid in last:
            yield begun - last[pid]
        last[pid] = end


@dataclass
class Outcome:
    """What a study's slots and driver did, in virtual seconds."""

    slots: int
    trained: list = field(default_factory=list)
    driver: float = 0.0
    end: float = 0.0
    dry: float = math.inf

    def busy(self, until):
        """The share of the slots' time in training: to the `end`, or until the work runs `dry`."""
        until = self.end if until == "end" else min(self.dry, self.end)
        within = sum(max(0.0, min(end, until) - begun) for begun, end in self.trained)
        return within / (self.slots * until)


class Cluster:
    """A study on `slots` slots whose trials take `epoch` seconds for an epoch, more or less."""

    def __init__(self, study, root, slots, epoch, delays, free=False):
        root.mkdir(exist_ok=True)
        ledger = Ledger(study, root / "ledger.jsonl")
        self.study, self.epoch, self.delays, self.free = study, epoch, delays, free
        room = Slots(slots, Share(1.0, 0.0), slots)
        self.searcher = StudySearcher(
            Planner(study, ledger),
            lambda spec, alone: {"trial": spec.to_dict()},
            lambda spec: None,
            lambda: room,
            Limits(study, ledger, Spent()),
            lambda name: True,
        )
        self.scheduler = CellScheduler(self.searcher)
        self.outcome = Outcome(slots)
        self.names, self.order = count(), count()
        self.events, self.started = [], 0
        self.now = 0.0  # At which the driver is free.

    def works(self, task, *arguments):
        """The driver's time: what it takes here."""
        begun = time.perf_counter()
        result = task(*arguments)
        self.spends(0.0 if self.free else time.perf_counter() - begun)
        return result

    def spends(self, seconds):
        self.now += seconds
        self.outcome.driver += seconds

    def run(self):
        while True:
            self.hand_out()
            if not self.events:
                self.outcome.end = self.now
                return self.outcome
            arrived, _, trial, reports = heapq.heappop(self.events)
            self.now = max(self.now, arrived)
            self.hear(trial, reports)

    def hand_out(self):
        while True:
            name = str(next(self.names))
            config = self.works(self.searcher.suggest, name)
            if not isinstance(config, dict):
                if self.searcher._room():  # There is room, but nothing to do.
                    self.outcome.dry = min(self.outcome.dry, self.now)
                return
            self.spends(self.delays.trial)
            spec = TrialSpec.from_dict(config["trial"])
            draw = random.Random(f"{spec.key} {spec.seed}").gauss(0, SPREAD)
            trial = SimpleNamespace(
                trial_id=name, config=config, spec=spec, pace=self.epoch * math.exp(draw), at=0
            )
            self.started += 1
            fresh = self.started <= self.outcome.slots
            self.train(trial, self.now + (ACTOR_START_S if fresh else self.delays.reissue))

    def train(self, trial, begun):
        """A batch of epochs, as `StudyTrainable` gathers them."""
        last, epochs = trial.at, []
        while True:
            last += 1
            epochs.append(last)
            if (
                last == self.study.training.epochs
                or last in self.searcher.ledger.rungs
                or len(epochs) * trial.pace >= BATCH_SECONDS
            ):
                break
        end = begun + len(epochs) * trial.pace
        self.outcome.trained.append((begun, end))
        heapq.heappush(self.events, (end, next(self.order), trial, epochs))

    def hear(self, trial, epochs):
        for epoch in epochs:
            error = 1.0 + abs(math.log10(trial.spec.settings["gamma"] + 1e-5)) / 9 + 1.0 / epoch
            report = {"epoch": epoch, "best_error": error, "done": False}
            report |= {"trained_seconds": epoch * trial.pace, "device": "none"}
            self.spends(self.delays.report)
            decision = self.works(self.scheduler.on_trial_result, None, trial, report)
        trial.at = epochs[-1]
        if trial.at == self.study.training.epochs:
            ended = machinery.summary(error, trial.at)
            report |= {f"summary/{key}": value for key, value in ended.items()}
        elif decision != "STOP":
            self.train(trial, self.now + self.delays.answer)
            return
        self.works(self.searcher.on_trial_complete, trial.trial_id, report)


def make_simulated(trials, cells=10):
    """Curves of 9 values of γ and 4 seeds; the rest of the trials is search."""
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
    delays = measure()
    show(
        f"Measured on {ACTORS} actors; load {os.getloadavg()[0]:.1f}",
        iter([("s", *vars(delays)), ("", *vars(delays).values())]),
    )
    show(
        "Studies of 10 cells, trials of 50 epochs; (ideal) is a driver that takes no time",
        rows(delays, CASES),
    )


if __name__ == "__main__":
    sys.exit(main())
