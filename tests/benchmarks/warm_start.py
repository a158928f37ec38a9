"""Replays of searches that start from settings of other cells, against searches without them.

Errors come from real trainings (`record_searches.py`); each training stands for the settings
nearest to it. Every cell is left out in turn: the other cells are searched without a warm start,
and the first trials of the left-out cell are the best settings of the most similar cells, trained
to their end. The cost is the number of epochs until a complete trial is within 1 % of the lowest
error of the cell, with one trial at a time; a search fails after 100 trials. The lowest error is
the recorded error, or the expected error after smoothing the noise between trainings. In the case
"misled", the settings of the other cells are mirrored at the middle of every range.

`warm_start.py [SEEDS [NAME]]`, NAME of `record_searches.GRIDS`.
"""

import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
from record_searches import JUDGED
from recordings import read_recordings, space

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.study import SearchPlan, Study, TrainingPlan

TRIALS, WITHIN = 100, 0.01
FIRST = (1, 3, 5)
"""Number of first trials with settings of other cells."""

JUDGES = {
    "recorded": lambda curves, settings: (
        curves.errors(settings)[-1] <= (1 + WITHIN) * curves.lowest
    ),
    "expected": lambda curves, settings: curves.is_within(settings, WITHIN),
}


def study_of(name, ranges, models, tasks, seed):
    """The study of some cells; the rungs are all of `JUDGED` except the last."""
    return Study(
        name=name,
        models={model: {} for model in models},
        tasks=tasks,
        space=ranges,
        search=SearchPlan(trials=TRIALS, grace_period=JUDGED[0], control=False),
        training=TrainingPlan(epochs=JUDGED[-1]),
        seed=seed,
    )


def search(table, study, folder, first=()):
    """Searches every cell of a study, with these settings first.

    Returns:
        The records, and for each cell and judge the epochs until the error is within 1 % (or inf).
    """
    ledger = Ledger(study, Path(folder) / f"{study.name}.jsonl")
    until = {cell: dict.fromkeys(JUDGES, math.inf) for cell in study.cells}
    with ledger._journal.together():
        for cell in study.cells:
            curves, spent = table[cell.model, cell.task], 0
            for number in range(TRIALS):
                whole = number < len(first)
                spec = (
                    ledger.add_point(cell, "search", first[number], study.seed)
                    if whole
                    else ledger.ask(cell, "search")
                )
                epochs, complete = train(ledger, spec, curves.errors(spec.settings), whole)
                spent += epochs
                for judge, is_within in JUDGES.items():
                    if complete and is_within(curves, spec.settings):
                        until[cell][judge] = min(until[cell][judge], spent)
                if first and math.isfinite(max(until[cell].values())):
                    break
    return ledger.all_records(), until


def train(ledger, spec, errors, whole):
    """Runs one trial like a study's driver; returns its epochs, and if it is complete."""
    for epoch, error in zip(JUDGED, errors, strict=True):
        if not math.isfinite(error):
            ledger.finish(spec, "diverged", {}, "")
            return epoch, False
        ledger.enter_rung(spec, epoch, error)
        if not whole and not ledger.survives(spec, epoch):
            ledger.finish(spec, "stopped", {"val_error": error}, "")
            return epoch, False
    ledger.finish(spec, "complete", {"val_error": errors[-1]}, "")
    return JUDGED[-1], True


def best_of_kin(records, cell):
    """The best settings of each other cell: the same model first, then the same task."""
    best = {}
    for record in records:
        other = record.spec.cell
        if record.state == "complete" and other != cell:
            kept = best.setdefault(other, record)
            if record.summary["val_error"] < kept.summary["val_error"]:
                best[other] = record
    kin = sorted(best, key=lambda one: (one.model != cell.model, one.task != cell.task, one.key))
    return [dict(best[other].spec.settings) for other in kin]


def opposite(settings, ranges):
    """Settings mirrored at the middle of every range."""
    found = {}
    for name, values in ranges.items():
        if values.type == "int":
            found[name] = values.low + values.high - settings[name]
        else:
            mirrored = values.low * values.high / settings[name]
            found[name] = min(max(mirrored, values.low), values.high)
    return found


def replay(table, ranges, seed):
    """Costs of every kind of search, for each left-out cell."""
    models, tasks = (dict.fromkeys(names) for names in zip(*table, strict=True))
    with TemporaryDirectory() as folder:
        whole = study_of("whole", ranges, models, tuple(tasks), seed)
        known, cold = search(table, whole, folder)
        for number, cell in enumerate(whole.cells):
            costs, kin = {"cold": cold[cell]}, best_of_kin(known, cell)
            for count in FIRST:
                right = kin[:count]
                wrong = [opposite(settings, ranges) for settings in right]
                for way, first in ((f"{count} of kin", right), (f"{count} misled", wrong)):
                    name = f"{way}-{number}".replace(" ", "-")
                    alone = study_of(name, ranges, [cell.model], (cell.task,), seed)
                    (costs[way],) = search(table, alone, folder, first)[1].values()
            yield cell, costs


def median(values):
    return np.quantile(values, 0.5, method="inverted_cdf")


def rows(seeds, name):
    """The table: epochs, over seeds and left-out cells."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table, ranges = read_recordings(name), space(name)
    found = [both for seed in range(seeds) for both in replay(table, ranges, seed)]
    cells = sorted({cell for cell, _ in found}, key=str)
    yield "search", "judged by", "median", f"not in {TRIALS} trials", "cells worse than cold"
    for judge in JUDGES:
        for way in found[0][1]:
            costs = np.array([one[way][judge] for _, one in found])
            of_cell = [[one for cell, one in found if cell == wanted] for wanted in cells]
            worse = sum(
                median([one[way][judge] for one in some])
                > median([one["cold"][judge] for one in some])
                for some in of_cell
            )
            lost = f"{np.isinf(costs).mean():.0%} of {len(costs)}"
            yield way, judge, median(costs), lost, f"{worse} of {len(cells)}"


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    for row in rows(int(arguments.get(1, 4)), arguments.get(2, "held_out_searches")):
        sys.stdout.write("| " + " | ".join(str(cell) for cell in row) + " |\n")
