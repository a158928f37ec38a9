"""The reason of an open question: noise, or unmeasured γ."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import find_place, says_enough
from lkm_tune.transfer.fit.rivals import LEVEL

SEEDS, GAMMAS = "seeds", "gammas"


def what_is_missing(cell: CellCurve, gamma: float, margin: float) -> str:
    """The runs that would show whether a γ is within the margin of the best of a cell.

    With infinitely many seeds at the measured γ, only the uncertainty of the curve between them
    would remain. If this uncertainty alone keeps the question open, more γ are missing; otherwise
    more seeds. The fitted curve is taken as the truth at the measured γ.

    Args:
        cell: the fitted cell.
        gamma: γ ≥ 0.
        margin: difference of the error, as a fraction, that does not matter.

    Returns:
        `SEEDS` or `GAMMAS`.
    """
    if not says_enough(cell):
        return SEEDS
    place, diverges = find_place(cell, gamma)
    if place is None:
        return SEEDS if diverges else GAMMAS
    # γ = 0 was measured, so only noise makes it uncertain.
    zeros = np.zeros(len(cell.places) - len(cell.grid))
    variance = np.append(cell.interpolation_covariance.diagonal(), zeros)
    shared = np.zeros(len(cell.places))
    if place < len(cell.grid):
        shared = np.append(cell.interpolation_covariance[place], zeros)
    spread = np.sqrt(np.maximum(variance[place] + variance - 2 * shared, 0.0))
    excess, bound = cell.levels[place] - cell.levels, float(np.log1p(margin))
    reach = ndtri(LEVEL) * spread
    within = (excess + reach <= bound).all()
    beyond = (excess - reach > bound).any()
    return SEEDS if within or beyond else GAMMAS
