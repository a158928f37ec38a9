"""One γ for all cells: the γ whose cost in its worst cell is smallest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lkm_tune.transfer.fit.answer import PAPER_GAMMA
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.gain import bound_of_recommended, gain_at_recommended
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import find_place, says_enough
from lkm_tune.transfer.fit.rivals import bound_of
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS

_CLOSEST = 8
"""Bounds are computed only for this many γ, by their expected regret in the worst cell."""


@dataclass(frozen=True)
class SharedGamma:
    """The γ with the smallest worst bound over all cells.

    Attributes:
        gamma: the γ (0 allowed).
        bound: its largest distance from the best in any cell, as a fraction of the error. It is one
            test at 5 % per cell, and also one test at 5 % for all cells together if the γ is fixed
            beforehand (intersection–union test: R. L. Berger, Technometrics 24, 1982, theorem 1).
            Since γ is the best of a few, the bound is slightly too small.
        worst: the cell with the largest bound.
        cells: number of judged cells.
        seeds: the fewest seeds of any cell.
        no_mixing: the same figures of γ = 0; None if a gain is shown in a cell, or γ = 0 has no
            known bound in a cell.
        control: whether every cell has usable runs at γ = 0. Else the best of a cell without them
            is its best γ > 0.
    """

    gamma: float
    bound: float
    worst: CellKey
    cells: int
    seeds: int
    no_mixing: SharedGamma | None = None
    control: bool = True

    @property
    def decides(self) -> bool:
        """Whether every cell has enough seeds for a verdict."""
        return self.seeds >= FEWEST_SEEDS

    def at_margin(self, margin: float) -> SharedGamma:
        """γ = 0 if it is within the margin: among γ that all work, no mixing is the simplest."""
        zero = self.no_mixing
        return zero if zero is not None and zero.bound <= margin else self


def shared_gamma(cells: Sequence[CellCurve]) -> SharedGamma | None:
    """The best single γ for all cells.

    Candidates are 0, the published γ, the measured γ and the recommended γ of the cells.

    Args:
        cells: the cells; cells with one seed or too few γ are left out.

    Returns:
        None with fewer than two cells, or if no γ has a known bound in every cell.
    """
    judged = [cell for cell in cells if says_enough(cell)]
    if len(judged) < 2:
        return None
    candidates = _candidates(judged)
    expected = np.array([_expected(cell, candidates) for cell in judged]).max(axis=0)
    closest = candidates[np.argsort(expected, kind="stable")[:_CLOSEST]]
    fewest = min(cell.seeds for cell in judged)

    def figures(gamma: float, bounds: Array) -> SharedGamma | None:
        worst = int(bounds.argmax())
        key, bound = judged[worst].runs.key, float(bounds[worst])
        if not np.isfinite(bound):
            return None
        control = all(cell.fit.sees_control for cell in judged)
        return SharedGamma(gamma, bound, key, len(judged), fewest, control=control)

    bounds = np.array([_bounds(cell, np.append(closest, 0.0)) for cell in judged])
    best = int(bounds[:, :-1].max(axis=0).argmin())
    found = figures(float(closest[best]), bounds[:, best])
    gains = any(gain_at_recommended(cell).low > 0 for cell in judged)
    if found is None or gains:
        return found
    return replace(found, no_mixing=figures(0.0, bounds[:, -1]))


def _candidates(cells: Sequence[CellCurve]) -> Array:
    recommended = [float(cell.places[cell.recommended]) for cell in cells]
    measured = [cell.runs.gammas for cell in cells]
    return np.unique(np.concatenate([[0.0, PAPER_GAMMA], recommended, *measured]))


def _expected(cell: CellCurve, gammas: Array) -> Array:
    """Expected regret of each γ, inf if unknown."""
    places = [find_place(cell, float(gamma))[0] for gamma in gammas]
    regret = cell.expected_regret
    return np.array([np.inf if place is None else regret[place] for place in places])


def _bounds(cell: CellCurve, gammas: Array) -> Array:
    """The bound of each γ, inf if unknown."""
    found = []
    for gamma in gammas:
        place = find_place(cell, float(gamma))[0]
        if place is None:
            found.append(np.inf)
        elif place == cell.recommended:
            found.append(bound_of_recommended(cell))
        else:
            found.append(float(np.expm1(bound_of(cell.rivals.of(place)))))
    return np.array(found)
