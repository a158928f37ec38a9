"""A cluster in virtual time, driven by the project's searcher and scheduler.

The costs of searcher, scheduler, planner and ledger are their measured processor time and waits for
the disk. Ray and the training are delays. The driver is one server with a queue. An actor waits for
the answer to its report.
"""

import heapq
import math
import os
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace

import bench_machinery as machinery

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.use import Spent
from lkm_tune.search.cluster.health import NodeHealth
from lkm_tune.search.cluster.slots import Share, Slots
from lkm_tune.search.limits import Limits
from lkm_tune.search.planner import Planner
from lkm_tune.search.reporting import BATCH_SECONDS
from lkm_tune.search.scheduler import CellScheduler
from lkm_tune.search.searcher import StudySearcher
from lkm_tune.study import TrialSpec

ACTOR_START_S = 8.0
"""Seconds for a new actor to import torch and PyTorch Geometric, on a free core."""

SPREAD = 0.4
"""Standard deviation, between trials, of the logarithm of the length of epochs."""


@dataclass(frozen=True)
class Delays:
    """Times in seconds. The driver's time for a report and for a trial includes MLflow's thread and
    waits for Ray. The other two times run from a report to the next step of the trial, and to
    the first step of the next trial, with an idle driver."""

    report: float
    trial: float
    answer: float
    reissue: float


NONE = Delays(0.0, 0.0, 0.0, 0.0)


@dataclass
class Outcome:
    """The work of a study's slots and driver, in virtual seconds."""

    slots: int
    trained: list = field(default_factory=list)
    driver: float = 0.0
    end: float = 0.0
    dry: float = math.inf

    def busy(self, until):
        """The share of training in the slots' time: to the `end`, or while work remains (`dry`)."""
        until = self.end if until == "end" else min(self.dry, self.end)
        within = sum(max(0.0, min(end, until) - begun) for begun, end in self.trained)
        return within / (self.slots * until)


class WholeRoom:
    """The room of a study that has a cluster to itself."""

    most = sys.maxsize

    def __init__(self, slots):
        self._slots = Slots(slots, Share(1.0, 0.0), slots)

    def slots(self, held):
        return self._slots

    def takes_back(self):
        return False


class Cluster:
    """A study on `slots` slots with epochs of about `epoch` seconds."""

    def __init__(self, study, root, slots, epoch, delays, free=False):
        root.mkdir(exist_ok=True)
        ledger = Ledger(study, root / "ledger.jsonl")
        self.study, self.epoch, self.delays, self.free = study, epoch, delays, free
        self.searcher = StudySearcher(
            Planner(study, ledger),
            lambda array, alone, avoids: {"trial": array[0].to_dict()},
            lambda spec: None,
            WholeRoom(slots),
            Limits(study, ledger, Spent()),
            lambda name: True,
            NodeHealth(dict, lambda node: None),
        )
        self.scheduler = CellScheduler(self.searcher)
        self.outcome = Outcome(slots)
        self.names, self.order = count(), count()
        self.events, self.started = [], 0
        self.now = 0.0  # Time at which the driver is free.

    def works(self, task, *arguments):
        """The driver's time."""
        before = self.clock()
        result = task(*arguments)
        self.spends(0.0 if self.free else self.clock() - before)
        return result

    def clock(self):
        """Processor time and waits for the disk, without other programs of the machine."""
        return time.thread_time() + self.disk.wall - self.disk.processor

    def spends(self, seconds):
        self.now += seconds
        self.outcome.driver += seconds

    def run(self):
        with timed(os, "fsync") as self.disk:
            self.hand_out()
            while self.events:
                arrived, _, trial, reports = heapq.heappop(self.events)
                self.now = max(self.now, arrived)
                self.hear(trial, reports)
                self.hand_out()
        self.outcome.end = self.now
        return self.outcome

    def hand_out(self):
        while True:
            name = str(next(self.names))
            config = self.works(self.searcher.suggest, name)
            if not isinstance(config, dict):
                if self.searcher._room():  # There is room, but no work.
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
        """A batch of epochs, by the rules of `StudyTrainable`."""
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


@contextmanager
def timed(module, name):
    """The total time of a function: wall time, and processor time of its thread."""
    took, function = SimpleNamespace(wall=0.0, processor=0.0), getattr(module, name)

    def call(*arguments, **options):
        begun = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            took.wall += time.perf_counter() - begun[0]
            took.processor += time.thread_time() - begun[1]

    setattr(module, name, call)
    try:
        yield took
    finally:
        setattr(module, name, function)
