"""The predicted γ of a cell without a search, from the searched cells.

The prediction is the γ with the lowest mean expected regret over the finished cells,

    γ̂ = argmin_x  Σ_c w_c R_c(x) / Σ_c w_c,     R_c(x) = E[exp(f_c(x) − min f_c) − 1 | runs],

with weights w_c = (1 + a·[same architecture]) (1 + b·[same task]); γ = 0 is a candidate. The values
of a and b have the smallest regret when each finished cell is left out in turn. A cell
with a new architecture and a new task is predicted from all cells with equal weights. The 95 %
interval is Student's t prediction of one more cell's best log γ from the other cells' best, so it
widens with their disagreement, with their uncertainty, and for few cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lkm_tune.transfer.fit.cell_notes import FEWEST_GAMMAS
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import LARGEST_REGRET, CellCurve
from lkm_tune.transfer.fit.rivals import LEVEL

_KINSHIP = tuple(product((0.0, 2.0, 8.0), (0.0, 2.0, 8.0)))
"""The candidates of (a, b)."""

_STEP = 0.05
_COVERED = 0.5
"""Smallest share of the weight of cells that have measured a recommended γ."""


@dataclass(frozen=True)
class Prediction:
    """The predicted γ of a cell without a search.

    Attributes:
        gamma: recommended γ (0 allowed).
        low: lower end of the 95 % interval of the cell's best γ > 0.
        high: upper end.
        expected_regret: mean regret of such predictions for known cells, as a fraction; NaN with
            one cell.
        based_on: names of the cells of the prediction.
        kin: number of these cells with the same architecture or task.
    """

    gamma: float
    low: float
    high: float
    expected_regret: float
    based_on: tuple[str, ...]
    kin: int


class Pool:
    """The finished cells as the source of predictions for other cells (N cells, G γ > 0)."""

    def __init__(self, cells: Sequence[CellCurve]) -> None:
        """Evaluate the expected regret of every cell on one grid.

        Args:
            cells: fitted cells; cells with one seed or too few γ are left out.
        """
        usable = [
            cell
            for cell in cells
            if cell.draws is not None and len(cell.runs.gammas) >= FEWEST_GAMMAS
        ]
        self.keys = tuple(cell.runs.key for cell in usable)
        self.names = tuple(cell.runs.name for cell in usable)
        ends = [end for cell in usable for end in (cell.grid[0], cell.grid[-1])] or [0.0]
        self.grid: Array = np.arange(min(ends), max(ends) + _STEP / 2, _STEP)
        self.regret = np.array([_on_grid(cell, self.grid) for cell in usable])
        self.regret = self.regret.reshape(len(usable), len(self.grid) + 1)
        self._known = (~np.isnan(self.regret)).astype(float)
        self._or_zero = np.nan_to_num(self.regret)
        places = [cell.best_draws for cell in usable]
        self.place = np.array([drawn.mean() for drawn in places])
        self.doubt = np.array([drawn.var() for drawn in places])
        # All cells of a task, or of an architecture, have the same source cells.
        self._chosen: dict[bytes, tuple[tuple[float, float], float]] = {}

    @cached_property
    def kin(self) -> NDArray[np.bool_]:
        """Whether two cells share the architecture, and the task, shape [2, N, N]."""
        return self._kin(self.keys)

    def predict(self, key: CellKey, among: Sequence[int] | None = None) -> Prediction | None:
        """The γ recommended for a cell.

        Args:
            key: the cell; it need not be in the pool.
            among: indices of the source cells; by default all other cells.

        Returns:
            None if there is no source cell.
        """
        used = np.array(
            [i for i, other in enumerate(self.keys) if other != key] if among is None else among,
            dtype=int,
        )
        if not len(used):
            return None
        known = used.tobytes()
        if known not in self._chosen:
            self._chosen[known] = self._choose(used)
        kinship, expected = self._chosen[known]
        same = self._kin([key])[:, 0, used]
        weights = _weights(same, kinship)
        place = int(self._best(weights[None], used)[0])
        low, high = self._interval(weights, used, place)
        return Prediction(
            gamma=float(10 ** self.grid[place]) if place < len(self.grid) else 0.0,
            low=float(10**low),
            high=float(10**high),
            expected_regret=expected,
            based_on=tuple(self.names[i] for i in used),
            kin=int(same.any(axis=0).sum()),
        )

    def _kin(self, keys: Sequence[CellKey]) -> NDArray[np.bool_]:
        return np.array(
            [
                [[getattr(a, field) == getattr(b, field) for b in self.keys] for a in keys]
                for field in ("model", "task")
            ],
            dtype=bool,
        )

    def _choose(self, used: NDArray[np.int_]) -> tuple[tuple[float, float], float]:
        """The (a, b) with the smallest leave-one-cell-out regret, and that regret."""
        if len(used) < 2:
            return _KINSHIP[0], np.nan
        same = self.kin[:, used][:, :, used]
        found = []
        for kinship in _KINSHIP:
            weights = _weights(same, kinship)
            np.fill_diagonal(weights, 0.0)
            at = self.regret[used, self._best(weights, used)]
            found.append(float(np.nanmean(at)) if not np.isnan(at).all() else np.inf)
        best = int(np.argmin(found))
        return _KINSHIP[best], found[best] if np.isfinite(found[best]) else np.nan

    def _best(self, weights: Array, used: NDArray[np.int_]) -> NDArray[np.int_]:
        """Index of the place with the lowest weighted mean regret, for each row of weights."""
        covered = weights @ self._known[used]
        mean = weights @ self._or_zero[used] / np.maximum(covered, 1e-12)
        enough = covered >= _COVERED * weights.sum(axis=1, keepdims=True)
        return np.asarray(np.argmin(np.where(enough, mean, np.inf), axis=1))

    def _interval(self, weights: Array, used: NDArray[np.int_], place: int) -> tuple[float, float]:
        share = weights / weights.sum()
        count = 1 / float(share @ share)
        centre = float(share @ self.place[used])
        variance = float(share @ (self.doubt[used] + (self.place[used] - centre) ** 2))
        reach = -stdtrit(max(count - 1, 1.0), (1 - LEVEL) / 2) * np.sqrt(variance * (1 + 1 / count))
        if len(used) == 1:
            # One cell does not show the differences between cells.
            reach = np.inf
        best = self.grid[place] if place < len(self.grid) else centre
        return max(best - reach, self.grid[0]), min(best + reach, self.grid[-1])


def _weights(same: NDArray[np.bool_], kinship: tuple[float, float]) -> Array:
    by_model, by_task = kinship
    return np.asarray((1 + by_model * same[0]) * (1 + by_task * same[1]))


def regret_at(cell: CellCurve, gamma: float) -> float:
    """Expected regret of a given γ, NaN outside the measured range."""
    if gamma == 0:
        return float(_with_zero(cell, np.zeros(0))[-1])
    return float(_on_grid(cell, np.array([np.log10(gamma)]))[0])


def _on_grid(cell: CellCurve, x: Array) -> Array:
    """Expected regret at each log10 γ, then at γ = 0, shape [len(x) + 1]."""
    values = np.interp(x, cell.grid, cell.expected_regret[: len(cell.grid)])
    values[(x < cell.grid[0] - 1e-9) | (x > cell.grid[-1] + 1e-9)] = np.nan
    if cell.runs.above is not None:
        values[x >= np.log10(cell.runs.above) - 1e-9] = LARGEST_REGRET
    if cell.runs.below is not None:
        values[x <= np.log10(cell.runs.below) + 1e-9] = LARGEST_REGRET
    return _with_zero(cell, values)


def _with_zero(cell: CellCurve, values: Array) -> Array:
    return np.append(values, cell.expected_regret[-1] if cell.fit.sees_control else np.nan)
