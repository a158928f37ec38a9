"""Recorded real trainings for replays of searches, from `record_searches.py`."""

import csv
import math
import warnings
from collections import defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np
from record_searches import GRIDS, JUDGED
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from lkm_tune.study import FloatRange, IntRange

OLD = "recorded_searches"
NAMES = ("gamma", "lr", "depth")


def space(name=OLD):
    """The recorded ranges."""
    low, high = ({key: end(GRIDS[name][key]) for key in NAMES} for end in (min, max))
    ranges = {
        key: FloatRange(type="float", low=low[key], high=high[key], log=True) for key in NAMES[:2]
    }
    return {**ranges, "depth": IntRange(type="int", low=low["depth"], high=high["depth"])}


SPACE = space()


class Recording:
    """The recorded trainings of one cell; other settings get the nearest recorded training.

    Attributes:
        rows: errors at each of `JUDGED` by (log10 γ, log10 lr, log10 depth): geometric means over
            the seeds.
    """

    def __init__(self, runs):
        """Means over the seeds of each place; levels of seeds cancel: each seed has all places."""
        self.rows = {
            place: np.exp(np.mean(np.log(errors), axis=0)).tolist()
            for place, errors in runs.items()
        }
        self.lowest = min(errors[-1] for errors in self.rows.values())

    @cached_property
    def expected(self):
        """Log of the last error by place, smoothed over the settings.

        The smoothing removes the rest of the noise between trainings, which is several times 1 %.
        """
        return _smoothed(self.rows)

    def nearest(self, settings):
        """The recorded place nearest to some settings."""
        place = [math.log10(settings[name]) for name in NAMES]
        return min(self.rows, key=lambda known: math.dist(known, place))

    def errors(self, settings):
        """Validation errors after each of `JUDGED`."""
        return self.rows[self.nearest(settings)]

    def is_within(self, settings, margin):
        """Whether the expected error is at most `share` above the lowest."""
        lowest = min(self.expected.values())
        return self.expected[self.nearest(settings)] <= lowest + math.log1p(margin)


def _smoothed(rows):
    places = np.array(list(rows))
    errors = np.log([errors[-1] for errors in rows.values()])
    # One cliff would otherwise determine the scale.
    errors = np.minimum(errors, errors.min() + 1)
    kernel = ConstantKernel(0.05, (1e-4, 10)) * Matern(np.ones(3), (0.5, 20), nu=2.5)
    process = GaussianProcessRegressor(
        kernel + WhiteKernel(1e-3, (1e-5, 1)), normalize_y=True, n_restarts_optimizer=1,
        random_state=0,
    )  # fmt: skip
    points = places / places.std(axis=0)
    # Warnings on lengths at their bound are expected: irrelevant settings have the longest.
    warnings.simplefilter("ignore", ConvergenceWarning)
    return dict(zip(rows, process.fit(points, errors).predict(points).tolist(), strict=True))


def read_recordings(name=OLD):
    """The recording of each cell, by (model, task)."""
    cells = defaultdict(lambda: defaultdict(list))
    with Path(__file__).with_name(f"{name}.csv").open() as file:
        for row in csv.DictReader(file):
            place = tuple(math.log10(float(row[key])) for key in NAMES)
            errors = [float(row[f"epoch_{epoch}"]) for epoch in JUDGED]
            cells[row["model"], row["task"]][place].append(errors)
    return {cell: Recording(runs) for cell, runs in cells.items()}
