"""Real trainings that searches are replayed on: `recorded_searches.csv`, made beforehand."""

import csv
import math
from pathlib import Path

from record_searches import JUDGED

from lkm_tune.study import FloatRange, IntRange

TABLE = Path(__file__).with_name("recorded_searches.csv")
SPACE = {
    "gamma": FloatRange(type="float", low=1e-4, high=10, log=True),
    "lr": FloatRange(type="float", low=5e-4, high=8e-3, log=True),
    "depth": IntRange(type="int", low=2, high=5),
}


class Recording:
    """What training with some settings shows, of one cell: that of the nearest recorded ones."""

    def __init__(self, rows):
        """Errors at each of `JUDGED` by (log10 γ, log10 lr, log10 depth)."""
        self.rows = rows
        self.lowest = min(errors[-1] for errors in rows.values())

    def errors(self, settings):
        """Validation errors after each of `JUDGED`."""
        place = [math.log10(settings[name]) for name in SPACE]
        return self.rows[min(self.rows, key=lambda known: math.dist(known, place))]


def read_recordings():
    """The recording of each cell, by (model, task)."""
    cells = {}
    with TABLE.open() as file:
        for row in csv.DictReader(file):
            place = tuple(math.log10(float(row[name])) for name in SPACE)
            errors = [float(row[f"epoch_{epoch}"]) for epoch in JUDGED]
            cells.setdefault((row["model"], row["task"]), {})[place] = errors
    return {cell: Recording(rows) for cell, rows in cells.items()}
