"""What arrays cost the quality of a search: trials that are suggested in batches, on recordings.

Every search ends by itself, after a number of trials, on one slot. A search in arrays needs other
numbers of epochs than a search of single trials, so the benchmark interpolates between searches of
several lengths: it gives the epochs for the regret of single trials, relative to their epochs.
`array_quality.py [SEARCHES OF EACH CELL]`
"""

import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import recordings
from record_searches import GRIDS
from search_quality import EPOCHS, FACTOR, Recorded, Surface

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.study import IntRange, SearchPlan, Study, TrainingPlan

TRIALS = (24, 36, 48)
SIZES = (1, 4, 8)
DRAWS = 1000
WORST = 1.0
"""The largest regret, also that of a search without a complete trial."""
DRAWN = "drawn surfaces"


class Shallow(Surface):
    """A drawn surface with as many depths as the recordings."""

    SPACE: ClassVar = {**Surface.SPACE, "depth": IntRange(type="int", low=3, high=6)}


@dataclass(frozen=True)
class End:
    """The end of a search: its epochs, its regret, and the mean array of a trial."""

    epochs: int
    regret: float
    size: float


def search(surface, seed, trials, size):
    """A whole search in arrays of at most `size` trials."""
    study = Study(
        name="q",
        models={"m": {}},
        tasks=("t",),
        space=surface.SPACE,
        search=SearchPlan(
            trials=trials, grace_period=surface.GRACE, reduction_factor=FACTOR, control=False
        ),
        training=TrainingPlan(epochs=EPOCHS),
        seed=seed,
    )
    (cell,) = study.cells
    with TemporaryDirectory() as folder:
        ledger = Ledger(study, Path(folder) / "ledger.jsonl")
        planner = Planner(study, ledger)
        planner.array_size = lambda cell, phase, settings: size
        epochs, sizes = 0, []
        with ledger.together():
            while len(sizes) < trials:
                array = planner.take_next()
                sizes += [len(array)] * len(array)
                epochs += train(ledger, array, surface, seed)
        best = ledger.best(cell, "search")
    regret = min(WORST, math.expm1(surface.final(best.spec.settings))) if best else WORST
    return End(epochs, regret, float(np.mean(sizes)))


def train(ledger, array, surface, seed):
    """Trains an array with the calls of a study's driver; returns its epochs."""
    best, live, spent = {spec.number: math.inf for spec in array}, list(array), 0
    for epoch in range(1, EPOCHS + 1):
        ended = {}
        spent += len(live)
        for spec in live:
            error = surface.error(spec.settings, epoch, (seed, spec.number))
            best[spec.number] = min(best[spec.number], error)
            if not math.isfinite(error):
                ended[spec.number] = "diverged"
            elif epoch == EPOCHS:
                ended[spec.number] = "complete"
            else:
                ledger.enter_rung(spec, epoch, best[spec.number])
        for spec in live:
            if spec.number not in ended and not ledger.survives(spec, epoch):
                ended[spec.number] = "stopped"
            if spec.number in ended:
                ledger.finish(spec, ended[spec.number], {"val_error": best[spec.number]}, "")
        live = [spec for spec in live if spec.number not in ended]
    return spent


def surfaces(name, searches):
    """A surface for every search: of each recorded cell, or drawn."""
    if name == DRAWN:
        return [Shallow.draw(seed) for seed in range(6 * searches)]
    found = [Recorded(recording) for recording in recordings.read_recordings(name).values()]
    for surface in found:
        surface.SPACE = recordings.space(name)
    return [surface for surface in found for _ in range(searches)]


def measure(name, searches):
    """Size -> epochs, regret and mean array, [searches, `TRIALS`]."""
    found = {}
    for size in SIZES:
        ends = [
            [search(surface, seed, trials, size) for trials in TRIALS]
            for seed, surface in enumerate(surfaces(name, searches))
        ]
        found[size] = np.array([[[e.epochs, e.regret, e.size] for e in row] for row in ends])
    return found


def relative_epochs(alone, arrays, k):
    """The epochs in arrays for the mean regret of single trials at `TRIALS[k]`, relative."""
    epochs, regrets, _ = arrays.mean(axis=0).T
    aim = alone.mean(axis=0)[k]
    # A line in log regret: its noise is larger than its bend between these lengths.
    slope, height = np.polyfit(np.log(regrets), np.log(epochs), 1)
    return math.exp(slope * math.log(aim[1]) + height) / aim[0]


def rows(name, searches):
    """A table of searches: cost and regret, also against single trials, with 95 % intervals."""
    found = measure(name, searches)
    alone = found[1]
    random = np.random.default_rng(0)
    picks = random.integers(len(alone), size=(DRAWS, len(alone)))
    yield (
        "largest array", "mean", "trials", "epochs", "mean regret", "median", "more regret", "95 %",
        "epochs for equal regret", "95 %",
    )  # fmt: skip
    for size, ends in found.items():
        for k, trials in enumerate(TRIALS):
            more = ends[:, k, 1] - alone[:, k, 1]
            relative = [relative_epochs(alone[pick], ends[pick], k) for pick in picks]
            epochs, regret, mean = ends.mean(axis=0)[k]
            yield (
                size, mean, trials, epochs, regret, float(np.median(ends[:, k, 1])),
                float(more.mean()), _interval([more[pick].mean() for pick in picks]),
                relative_epochs(alone, ends, k), _interval(relative),
            )  # fmt: skip


def _interval(drawn):
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{low:.3g} to {high:.3g}"


if __name__ == "__main__":
    # Equal regrets at all lengths have no slope; their interval shows it.
    warnings.simplefilter("ignore", np.exceptions.RankWarning)
    for name in (*GRIDS, DRAWN):
        sys.stdout.write(f"{name}\n")
        for row in rows(name, int(sys.argv[1]) if len(sys.argv) > 1 else 30):
            cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
            sys.stdout.write(" | ".join(cells) + "\n")
