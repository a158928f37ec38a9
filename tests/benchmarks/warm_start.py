"""Warm against cold search, by replay: what it costs until a cell's best is found to within 1 %.

Errors are those of real trainings (`recorded_searches.csv`), each of which stands for the settings
nearest to it. Every cell is left out in turn: the others are searched cold, and what they found is
what its own search starts from. The cost is that of all epochs until a complete trial is within 1 %
of the lowest error of the cell, one trial at a time; a search ends unsuccessful after 40 trials.

Misled, the other cells found their best at the opposite end of every range.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
from record_searches import JUDGED, MODELS, TASKS
from recordings import SPACE, read_recordings

from lkm_tune.search.ledger import Ledger
from lkm_tune.search.planner import Planner
from lkm_tune.search.warm import WarmStart
from lkm_tune.study import SearchPlan, Study, TrainingPlan

TRIALS = 40
WITHIN = 0.01
DEFAULTS = {"lr": 5e-4, "depth": 5}
PAPER_GAMMAS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
WAYS = ("warm", "warm, misled", "cold", "random", "paper's grid")


def goal(curves):
    """The error that is near enough to a cell's lowest."""
    return (1 + WITHIN) * curves.lowest


def study_of(name, models, tasks, seed):
    """The study of some cells; halving judges at all of `JUDGED` but the last."""
    return Study(
        name=name,
        models={model: {} for model in models},
        tasks=tasks,
        space=SPACE,
        search=SearchPlan(trials=TRIALS, grace_period=JUDGED[0], control=False),
        training=TrainingPlan(epochs=JUDGED[-1]),
        seed=seed,
    )


def search(table, study, folder, warm=None):
    """Searches every cell of a study.

    Returns:
        Its records, and by cell the epochs until it was within 1 %, inf if it never was.
    """
    ledger = Ledger(study, Path(folder) / f"{study.name}.jsonl")
    planner = Planner(study, ledger, warm)
    spent, until = dict.fromkeys(study.cells, 0), dict.fromkeys(study.cells, math.inf)
    while (spec := planner.next()) and spec.phase == "search":
        curves = table[spec.cell.model, spec.cell.task]
        epochs, error = train(ledger, spec, curves.errors(spec.settings))
        spent[spec.cell] += epochs
        if error <= goal(curves):
            until[spec.cell] = min(until[spec.cell], spent[spec.cell])
        if warm and math.isfinite(until[spec.cell]):
            break
    return [r for r in ledger.all_records() if r.spec.phase == "search"], until


def train(ledger, spec, errors):
    """One trial as the study's driver does it: its epochs, and its error if it is complete."""
    for epoch, error in zip(JUDGED, errors, strict=True):
        if not math.isfinite(error):
            ledger.finish(spec, "diverged", {}, "")
            return epoch, math.inf
        if not ledger.goes_on(spec, epoch, error):
            ledger.finish(spec, "stopped", {"val_error": error}, "")
            return epoch, math.inf
    ledger.finish(spec, "complete", {"val_error": errors[-1]}, "")
    return JUDGED[-1], errors[-1]


def opposite(record):
    """The trial mirrored in the middle of every range."""
    settings = dict(record.spec.settings)
    for name, values in SPACE.items():
        if values.type == "int":
            settings[name] = values.low + values.high - settings[name]
        else:
            mirrored = values.low * values.high / settings[name]
            settings[name] = min(max(mirrored, values.low), values.high)
    return replace(record, spec=replace(record.spec, settings=settings))


def plain_cost(curves, candidates):
    """Epochs of trainings to the end, one after another, until one is within 1 %."""
    for count, settings in enumerate(candidates, start=1):
        if curves.errors(settings)[-1] <= goal(curves):
            return count * JUDGED[-1]
    return math.inf


def replay(table, seed):
    """Costs of every way to search, of each cell left out in turn."""
    sampler = optuna.samplers.RandomSampler(seed=seed)
    order = np.random.default_rng(seed).permutation(PAPER_GAMMAS).tolist()
    with TemporaryDirectory() as folder:
        whole = study_of("whole", MODELS, TASKS, seed)
        known, cold = search(table, whole, folder)
        for number, cell in enumerate(whole.cells):
            curves = table[cell.model, cell.task]
            costs = {"cold": cold[cell]}
            others = [record for record in known if record.spec.cell != cell]
            for way, seen in (("warm", others), ("warm, misled", map(opposite, others))):
                alone = study_of(
                    f"{way}-{number}".replace(", ", "-"), [cell.model], [cell.task], seed
                )
                warm = WarmStart(alone.cells, tuple(seen), lambda known, cell: None)
                (costs[way],) = search(table, alone, folder, warm)[1].values()
            costs["random"] = plain_cost(curves, random_settings(sampler))
            costs["paper's grid"] = plain_cost(curves, [{**DEFAULTS, "gamma": g} for g in order])
            yield costs


def random_settings(sampler):
    """As many random settings as a search has trials."""
    study = optuna.create_study(sampler=sampler)
    for _ in range(TRIALS):
        trial = study.ask()
        yield {
            "gamma": trial.suggest_float("gamma", 1e-4, 10, log=True),
            "lr": trial.suggest_float("lr", 5e-4, 8e-3, log=True),
            "depth": trial.suggest_int("depth", 2, 5),
        }


def rows(seeds=30):
    """The table: epochs, over seeds and left-out cells."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = read_recordings()
    found = [costs for seed in range(seeds) for costs in replay(table, seed)]
    yield "search", "median epochs", "quarter below", "quarter above", "not in 40 trials"
    for way in WAYS:
        costs = np.array([one[way] for one in found])
        low, middle, high = np.quantile(costs, (0.25, 0.5, 0.75), method="inverted_cdf")
        yield way, middle, low, high, f"{np.isinf(costs).mean():.0%} of {len(costs)}"


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
        sys.stdout.write("| " + " | ".join(str(cell) for cell in row) + " |\n")
