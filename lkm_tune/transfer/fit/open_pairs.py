"""Which pairs of cells are still undecided, and what a planner of further runs must know of them.

A pure function of the table of runs: the same runs give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lkm_tune.transfer.fit.analysis import MARGIN, compare, fit_cells
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.gain import bound_of_recommended
from lkm_tune.transfer.fit.limits import GAMMAS, what_is_missing
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import find_place
from lkm_tune.transfer.fit.run_table import check_runs
from lkm_tune.transfer.fit.verdict import FALSE_DISCOVERY_RATE, UNDECIDED


@dataclass(frozen=True)
class CellState:
    """What is known of one cell.

    Attributes:
        recommended: the γ that its report recommends (0 allowed).
        seeds: number of seeds that speak on its curve.
        worse: measured γ (0 among them where it was measured) -> posterior probability that its
            error is above the lowest of the cell by more than the margin; 1 where training
            diverges, NaN with one seed.
        bound: the recommended γ is at most so much above the lowest error (one test at 5 %), a
            fraction; NaN where unknown.
        needs_gammas: whether γ between those measured near the best are missing: with any number of
            seeds at the measured γ the recommended one could not be shown to be within the margin.
    """

    recommended: float
    seeds: int
    worse: Mapping[float, float]
    bound: float
    needs_gammas: bool


@dataclass(frozen=True)
class OpenPairs:
    """Which ordered pairs of cells are undecided at a margin.

    Attributes:
        pairs: (source, target) of every undecided pair. Cells without a curve are not in it.
        decided: how many ordered pairs are decided.
        cells: state of every cell that has a curve.
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
    """Which pairs of cells are undecided.

    Args:
        runs: see `TransferReport.from_runs`. A table without a finished run of a curve gives no
            cells and no pairs.
        margin: difference of the error, as a fraction, that does not matter.
        seed: of the posterior draws.
        rate: largest false discovery rate of the verdicts.

    Raises:
        RunTableError: naming all missing columns and wrong values.
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
