"""The search of lkm-tune against Ray's OptunaSearch with ASHA, on surfaces and on recordings.

The same simulated cluster runs both: its slots train one epoch per unit of time, so a comparison
takes seconds. The regret of the recommended settings is measured in the noise-free error at full
budget, after equal numbers of epochs.
"""

import heapq
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import optuna
import recordings
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch
from record_searches import JUDGED

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.study import FloatRange, IntRange, SearchPlan, Study, TrainingPlan

EPOCHS, FACTOR = 27, 3
SLOTS = 4


@dataclass(frozen=True)
class Surface:
    """log error = bowl(γ, lr, depth) + rest of the initial error + noise; NaN after divergence.

    A high learning rate learns fast and ends badly, so early errors mislead.
    """

    SPACE: ClassVar = {
        "gamma": FloatRange(type="float", low=1e-4, high=100, log=True),
        "lr": FloatRange(type="float", low=1e-5, high=1e-1, log=True),
        "depth": IntRange(type="int", low=1, high=8),
    }
    GRACE: ClassVar = 1

    log_gamma: float
    log_lr: float
    depth: int
    cliff: float
    """log10 of γ · lr above which training diverges in its second epoch."""

    @classmethod
    def draw(cls, seed):
        random = np.random.default_rng(seed)
        log_gamma, log_lr = random.uniform(-3, 0.5), random.uniform(-4, -2)
        cliff = log_gamma + log_lr + random.uniform(1, 2)
        return cls(log_gamma, log_lr, int(random.integers(2, 7)), cliff)

    def final(self, settings):
        """Noise-free log error at the full budget, 0 at the optimum."""
        gamma, lr = math.log10(settings["gamma"]), math.log10(settings["lr"])
        if gamma + lr > self.cliff:
            return math.inf
        bowl = 0.05 * (gamma - self.log_gamma) ** 2 + 0.2 * (lr - self.log_lr) ** 2
        return bowl + 0.03 * (settings["depth"] - self.depth) ** 2

    def error(self, settings, epoch, seed):
        """The report of a trial after an epoch."""
        final = self.final(settings)
        if final == math.inf:
            return math.nan if epoch > 1 else 3.0
        speed = 10 ** (0.3 * (math.log10(settings["lr"]) + 3))
        left = 1.5 * (math.exp(-speed * epoch / 6) - math.exp(-speed * EPOCHS / 6))
        noise = np.random.default_rng((*seed, epoch)).normal(0, 0.01)
        return math.exp(final + left + noise)


class Recorded:
    """Real trainings of one cell. Between epochs of `JUDGED`, the later epoch counts."""

    SPACE = recordings.SPACE
    GRACE = JUDGED[0]

    def __init__(self, recording):
        self.recording = recording

    @classmethod
    def draw(cls, seed):
        cells = list(recordings.read_recordings().values())
        return cls(cells[seed % len(cells)])

    def final(self, settings):
        """Log error at the full budget, 0 at the lowest error."""
        return math.log(self.recording.errors(settings)[-1] / self.recording.lowest)

    def error(self, settings, epoch, seed):
        """The report of a trial after an epoch."""
        errors = zip(JUDGED, self.recording.errors(settings), strict=True)
        return next(error for judged, error in errors if judged >= epoch)


class Ours:
    """The ledger, with the calls of a study's driver."""

    def __init__(self, surface, seed, folder):
        study = Study(
            name="q",
            models={"m": {}},
            tasks=("t",),
            space=surface.SPACE,
            search=SearchPlan(trials=1000, grace_period=surface.GRACE, reduction_factor=FACTOR),
            training=TrainingPlan(epochs=EPOCHS),
            seed=seed,
        )
        (self.cell,) = study.cells
        self.ledger = Ledger(study, Path(folder) / "ledger.jsonl")
        self.best = {}

    def ask(self, name):
        self.best[name] = math.inf
        return self.ledger.ask(self.cell, "search")

    def settings(self, asked):
        return asked.settings

    def report(self, name, asked, epoch, error):
        """Whether the trial continues."""
        if not math.isfinite(error):
            self.ledger.finish(asked, "diverged", {}, "")
            return False
        self.best[name] = min(self.best[name], error)
        if epoch == EPOCHS:
            self.ledger.finish(asked, "complete", {"val_error": self.best[name]}, "")
            return False
        self.ledger.enter_rung(asked, epoch, self.best[name])
        if self.ledger.survives(asked, epoch):
            return True
        self.ledger.finish(asked, "stopped", {"val_error": self.best[name]}, "")
        return False

    def recommended(self):
        best = self.ledger.best(self.cell, "search")
        return best.spec.settings if best else None


class Rays:
    """OptunaSearch and ASHA, in Tune's order of calls."""

    def __init__(self, surface, seed, folder):
        def space(trial):
            for name, values in surface.SPACE.items():
                if values.type == "int":
                    trial.suggest_int(name, values.low, values.high)
                else:
                    trial.suggest_float(name, values.low, values.high, log=True)

        self.searcher = OptunaSearch(space, metric="error", mode="min", seed=seed)
        self.scheduler = AsyncHyperBandScheduler(
            "epoch", "error", "min", max_t=EPOCHS, grace_period=surface.GRACE,
            reduction_factor=FACTOR,
        )  # fmt: skip
        self.trials = {}
        self.last = []

    def ask(self, name):
        config = self.searcher.suggest(name)
        trial = self.trials[name] = SimpleNamespace(trial_id=name, config=config, last_result={})
        self.scheduler.on_trial_add(None, trial)
        return trial

    def settings(self, asked):
        return asked.config

    def report(self, name, asked, epoch, error):
        result = {"error": error, "epoch": epoch, "training_iteration": epoch}
        done = epoch == EPOCHS
        stop = done or self.scheduler.on_trial_result(None, asked, result) == "STOP"
        if not stop:
            self.searcher.on_trial_result(name, result)
            return True
        self.scheduler.on_trial_complete(None, asked, result)
        self.searcher.on_trial_complete(name, result)
        self.last.append((error, asked.config))
        return False

    def recommended(self):
        """The settings with the lowest last error (not NaN), as in ResultGrid.get_best_result."""
        ended = [(error, config) for error, config in self.last if math.isfinite(error)]
        return min(ended, key=lambda end: end[0])[1] if ended else None


def regret(search, surface, seed, cost):
    """The excess error of the recommended settings, as a fraction of the optimum."""
    events, spent, count = [], 0, 0
    for slot in range(SLOTS):
        heapq.heappush(events, (0, slot, None, None, 0))
    while spent < cost:
        now, slot, name, asked, epoch = heapq.heappop(events)
        if name is None:
            name, asked, epoch = str(count), search.ask(str(count)), 0
            count += 1
        epoch += 1
        spent += 1
        error = surface.error(search.settings(asked), epoch, (seed, int(name)))
        if not search.report(name, asked, epoch, error):
            name = asked = None
        heapq.heappush(events, (now + 1, slot, name, asked, epoch))
    best = search.recommended()
    return math.expm1(surface.final(best)) if best else math.inf


def compare(kind_of_surface, seeds, costs):
    """Regrets by kind of search and cost, with one surface per seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = {(kind, cost): [] for kind in ("ours", "ray") for cost in costs}
    for seed in range(seeds):
        surface = kind_of_surface.draw(seed)
        for kind, make in (("ours", Ours), ("ray", Rays)):
            for cost in costs:
                with TemporaryDirectory() as folder:
                    found[kind, cost].append(
                        regret(make(surface, seed, folder), surface, seed, cost)
                    )
    return found


def rows(kind_of_surface=Surface, seeds=30, costs=(135, 270, 540)):
    """A table for `make bench` at equal costs in epochs; a whole trial has 27."""
    found = compare(kind_of_surface, seeds, costs)
    yield "epochs", "ours, median regret", "Ray's", "ours, mean", "Ray's", "ours better, of seeds"
    for cost in costs:
        ours, rays = np.array(found["ours", cost]), np.array(found["ray", cost])
        finite = np.isfinite(ours) & np.isfinite(rays)
        yield (
            cost, float(np.median(ours)), float(np.median(rays)), float(ours[finite].mean()),
            float(rays[finite].mean()), f"{int((ours < rays).sum())} of {seeds}",
        )  # fmt: skip


if __name__ == "__main__":
    for kind in (Surface, Recorded):
        sys.stdout.write(f"{kind.__name__}\n")
        for row in rows(kind, int(sys.argv[1]) if len(sys.argv) > 1 else 30):
            cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
            sys.stdout.write(" | ".join(cells) + "\n")
