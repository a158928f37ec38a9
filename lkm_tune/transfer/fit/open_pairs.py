"""The undecided pairs of cells, and the state of cells for a planner of further runs.

They are a pure function of the table of runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lkm_tune.transfer.fit.analysis import MARGIN, compare, fit_cells
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.gain import bound_of_recommended
from lkm_tune.transfer.fit.missing import GAMMAS, what_is_missing
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import find_place
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.verdict import FALSE_DISCOVERY_RATE, UNDECIDED


@dataclass(frozen=True)
class CellState:
    """The state of one cell.

    Attributes:
        recommended: the recommended γ (0 allowed).
        seeds: number of seeds with information on the curve.
        worse: measured γ (including 0 if measured) -> posterior probability that its error is above
            the lowest error of the cell by more than the margin; 1 if training diverges, NaN with
            one seed.
        bound: largest distance of the recommended γ from the lowest error (one test at 5 %), as a
            fraction; NaN if unknown.
        needs_gammas: whether γ between the measured γ near the best are missing: no number of seeds
            at the measured γ could show the recommended γ to be within the margin.
    """

    recommended: float
    seeds: int
    worse: Mapping[float, float]
    bound: float
    needs_gammas: bool


@dataclass(frozen=True)
class OpenPairs:
    """The ordered pairs of cells that are undecided at a margin.

    Attributes:
        pairs: (source, target) of every undecided pair, without cells that have no curve.
        decided: number of decided ordered pairs.
        cells: state of every cell with a curve.
    """

    pairs: tuple[tuple[CellKey, CellKey], ...]
    decided: int
    cells: Mapping[CellKey, CellState]

    @property
    def involved(self) -> frozenset[CellKey]:
        """The cells of the undecided pairs."""
        return frozenset(key for pair in self.pairs for key in pair)


def open_pairs(
    runs: pd.DataFrame,
    margin: float = MARGIN,
    seed: int = 0,
    rate: float = FALSE_DISCOVERY_RATE,
) -> OpenPairs:
    """The undecided pairs of cells.

    Args:
        runs: see `TransferReport.from_runs`. A table without a finished run of a curve gives no
            cells and no pairs.
        margin: difference of the error, as a fraction, that does not matter.
        seed: seed of the posterior draws.
        rate: largest false discovery rate of the verdicts.

    Raises:
        RunTableError: if columns are missing or values are wrong; the error lists all of them.
    """
    if runs.empty:
        return OpenPairs((), 0, {})
    cells = fit_cells(check_runs(runs), seed)
    pairs = compare(cells, margin, seed, rate)
    undecided = tuple((p.source, p.target) for p in pairs if p.verdict.verdict == UNDECIDED)
    states = {cell.runs.key: _state(cell, margin) for cell in cells}
    return OpenPairs(undecided, len(pairs) - len(undecided), states)


def _state(cell: CellCurve, margin: float) -> CellState:
    recommended = float(cell.places[cell.recommended])
    probability = cell.probability_worse(margin)
    measured = [0.0] * cell.fit.sees_control + cell.runs.gammas.tolist()
    places = {gamma: find_place(cell, gamma)[0] for gamma in measured}
    worse = {g: float(probability[place]) for g, place in places.items() if place is not None}
    bound = bound_of_recommended(cell)
    return CellState(
        recommended=recommended,
        seeds=cell.seeds,
        worse=worse | dict.fromkeys(cell.runs.diverged, 1.0),
        bound=bound,
        needs_gammas=bound > margin and what_is_missing(cell, recommended, margin) == GAMMAS,
    )
