"""Warm against cold search, by replay: what it costs until within 1 % of the cell's best.

Errors are those of real trainings (`record_searches.py`), each of which stands for the settings
nearest to it. Every cell is left out in turn: the others are searched cold, and what they found is
what its own search starts from. The cost is that of all epochs until a complete trial is within 1 %
of the lowest error of the cell, one trial at a time; a search ends unsuccessful after 100 trials.
That is judged in two ways: by the recorded errors, and by those to expect, from which the noise
between trainings is smoothed away.

Misled, the other cells found their best at the opposite end of every range. "Others known wholly"
is what no search can know: the best list of settings by the whole tables of the other cells.

`warm_start.py [SEEDS [NAME]]`, NAME of `record_searches.GRIDS`.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
from lkm_tune.search.warm import WarmStart
from record_searches import JUDGED
from recordings import NAMES, read_recordings, space

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.suggestions import distributions
from lkm_tune.search.planner import Planner
from lkm_tune.study import SearchPlan, Study, TrainingPlan

TRIALS = 100
WITHIN, WORST = 0.01, 0.3
DEFAULTS = {"lr": 5e-4, "depth": 5}
PAPER_GAMMAS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
WAYS = ("warm", "warm, misled", "cold", "random", "paper's grid", "others known wholly")


JUDGES = {
    "recorded": lambda curves, settings: (
        curves.errors(settings)[-1] <= (1 + WITHIN) * curves.lowest
    ),
    "expected": lambda curves, settings: curves.is_within(settings, WITHIN),
}
"""Whether settings are within 1 % of a cell's best, by the errors recorded or those to expect."""


def never():
    """What it costs to find what was never found."""
    return dict.fromkeys(JUDGES, math.inf)


def study_of(name, ranges, models, tasks, seed):
    """The study of some cells; halving judges at all of `JUDGED` but the last."""
    return Study(
        name=name,
        models={model: {} for model in models},
        tasks=tasks,
        space=ranges,
        search=SearchPlan(trials=TRIALS, grace_period=JUDGED[0], control=False),
        training=TrainingPlan(epochs=JUDGED[-1]),
        seed=seed,
    )


def search(table, study, folder, warm=None):
    """Searches every cell of a study.

    Returns:
        Its records, and by cell and judge the epochs until it was within 1 %, inf if it never was.
    """
    ledger = Ledger(study, Path(folder) / f"{study.name}.jsonl")
    planner = Planner(study, ledger, warm)
    spent, until = dict.fromkeys(study.cells, 0), {cell: never() for cell in study.cells}
    while (spec := planner.take_next()) and spec.phase == "search":
        curves = table[spec.cell.model, spec.cell.task]
        epochs, error = train(ledger, spec, curves.errors(spec.settings))
        spent[spec.cell] += epochs
        if math.isfinite(error):
            note(until[spec.cell], curves, spec.settings, spent[spec.cell])
        if warm and math.isfinite(max(until[spec.cell].values())):
            break
    return [r for r in ledger.all_records() if r.spec.phase == "search"], until


def note(until, curves, settings, spent):
    """What was spent until settings were within 1 %, where they are so for the first time."""
    for judge, is_within in JUDGES.items():
        if is_within(curves, settings):
            until[judge] = min(until[judge], spent)


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


def opposite(record, ranges):
    """The trial mirrored in the middle of every range."""
    settings = dict(record.spec.settings)
    for name, values in ranges.items():
        if values.type == "int":
            settings[name] = values.low + values.high - settings[name]
        else:
            mirrored = values.low * values.high / settings[name]
            settings[name] = min(max(mirrored, values.low), values.high)
    return replace(record, spec=replace(record.spec, settings=settings))


def plain_cost(curves, candidates):
    """Epochs of trainings to the end, one after another, until one is within 1 %."""
    until = never()
    for count, settings in enumerate(candidates, start=1):
        note(until, curves, settings, count * JUDGED[-1])
    return until


def replay(table, ranges, seed):
    """Costs of every way to search, of each cell left out in turn."""
    models, tasks = (dict.fromkeys(names) for names in zip(*table, strict=True))
    sampler = optuna.samplers.RandomSampler(seed=seed)
    order = np.random.default_rng(seed).permutation(PAPER_GAMMAS).tolist()
    with TemporaryDirectory() as folder:
        whole = study_of("whole", ranges, models, tuple(tasks), seed)
        known, cold = search(table, whole, folder)
        for number, cell in enumerate(whole.cells):
            curves = table[cell.model, cell.task]
            costs = {"cold": cold[cell]}
            others = [record for record in known if record.spec.cell != cell]
            wrong = [opposite(record, ranges) for record in others]
            for way, seen in (("warm", others), ("warm, misled", wrong)):
                name = f"{way}-{number}".replace(", ", "-")
                alone = study_of(name, ranges, [cell.model], (cell.task,), seed)
                warm = WarmStart(alone.cells, tuple(seen), lambda known, cell: None)
                (costs[way],) = search(table, alone, folder, warm)[1].values()
            costs["random"] = plain_cost(curves, random_settings(sampler, ranges))
            costs["paper's grid"] = plain_cost(curves, [{**DEFAULTS, "gamma": g} for g in order])
            costs["others known wholly"] = plain_cost(curves, best_list(table, cell))
            yield costs


def best_list(table, cell):
    """Settings in the order in which they add most to the best known ones, in the other cells."""
    others = [(key, one.expected) for key, one in table.items() if key != (cell.model, cell.task)]
    weights = [(1 + 2 * (m == cell.model)) * (1 + (t == cell.task)) for (m, t), _ in others]
    places = list(others[0][1])
    above = np.array([[one[place] - min(one.values()) for _, one in others] for place in places])
    left, known = list(range(len(places))), np.full(len(others), np.inf)
    while left:
        # Where nothing can be added, the mean decides.
        gain = np.minimum(above[left], np.minimum(known, WORST)) + 1e-6 * above[left]
        known = np.minimum(known, above[chosen := left.pop(int(np.argmin(gain @ weights)))])
        yield dict(zip(NAMES, (10**x for x in places[chosen]), strict=True))


def random_settings(sampler, ranges):
    """As many random settings as a search has trials."""
    study = optuna.create_study(sampler=sampler)
    whole = study_of("random", ranges, ["gin"], ("qm9/mu",), 0)
    for _ in range(TRIALS):
        yield study.ask(distributions(whole, "search")).params


def rows(seeds, name):
    """The table: epochs, over seeds and left-out cells."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table, ranges = read_recordings(name), space(name)
    found = [costs for seed in range(seeds) for costs in replay(table, ranges, seed)]
    yield (
        "search",
        "judged by",
        "median",
        "quarter below",
        "quarter above",
        f"not in {TRIALS} trials",
    )
    for judge in JUDGES:
        for way in WAYS:
            costs = np.array([one[way][judge] for one in found])
            low, middle, high = np.quantile(costs, (0.25, 0.5, 0.75), method="inverted_cdf")
            lost = f"{np.isinf(costs).mean():.0%} of {len(costs)}"
            yield way, judge, middle, low, high, lost


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    for row in rows(int(arguments.get(1, 30)), arguments.get(2, "held_out_searches")):
        sys.stdout.write("| " + " | ".join(str(cell) for cell in row) + " |\n")
