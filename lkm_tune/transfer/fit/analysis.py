"""The analysis of all cells and pairs of a table of runs, for the tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lkm_tune.study import ReportPlan
from lkm_tune.transfer.fit.cell_notes import FEWEST_GAMMAS
from lkm_tune.transfer.fit.cells import CellKey, split_cells
from lkm_tune.transfer.fit.curve import CurveModel, shared_prior
from lkm_tune.transfer.fit.fit_cell import fit_cell, set_up_cell
from lkm_tune.transfer.fit.gain import Interval, gain_at_recommended
from lkm_tune.transfer.fit.missing import what_is_missing
from lkm_tune.transfer.fit.noise import pure_error, shared_noise, total
from lkm_tune.transfer.fit.noise_slope import noise_slope
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.regret import Regret, regrets, says_enough
from lkm_tune.transfer.fit.verdict import (
    FALSE_DISCOVERY_RATE,
    FEWEST_SEEDS,
    UNDECIDED,
    PairTests,
    Verdict,
    decide,
    q_values,
)

MARGIN = ReportPlan().margin
"""Default difference of the error, as a fraction, that does not matter."""

MARGINS = (0.01, 0.02, 0.05)
"""Margins of the verdicts of every analysis, in addition to its own margin."""

_MANY_DRAWS = 10_000
_CLOSE = (0.6, 1.6)
"""q-values in this range around the rate (0.03 to 0.08 at 5 %) are computed again from many draws,
so that the draws do not decide."""

_FEW_CELLS = 30
"""With more cells, only q-values at the margin of the report are computed again."""


@dataclass(frozen=True)
class Pair:
    """The analysis of the source's recommended γ in the target.

    Attributes:
        source: the cell of the γ.
        target: the cell that uses the γ.
        gamma: the γ that the source's report recommends (0 allowed).
        regret: its regret in the target.
        gain_kept: share of the target's gain that it brings; NaN unless a gain is shown.
        verdicts: margin -> verdict, the margin of the report first.
        missing: what an undecided pair needs: "seeds", "gammas" (more γ in the target) or "".
    """

    source: CellKey
    target: CellKey
    gamma: float
    regret: Regret
    gain_kept: float
    verdicts: dict[float, Verdict]
    missing: str

    @property
    def verdict(self) -> Verdict:
        """The verdict at the margin of the report."""
        return next(iter(self.verdicts.values()))


def fit_cells(runs: pd.DataFrame, seed: int) -> tuple[CellCurve, ...]:
    """Fit the curve of every cell of a checked table, with common parameters from all cells.

    Args:
        runs: the table.
        seed: seed of the posterior draws.
    """
    cells = list(split_cells(runs))
    noise = noise_slope([(cell.noise_places, cell.usual) for cell in cells])
    parts = [cell.information(noise) for cell in cells]
    prior = shared_noise([pure_error(total(part.values())) for part in parts if part])
    models: dict[bytes, CurveModel] = {}
    prepared = [set_up_cell(cell, noise, models) for cell in cells]
    alone = [
        cell.model.fit(cell.everything, prior).weight
        for cell in prepared
        if len(cell.parts) > 1 and len(cell.model.x) >= FEWEST_GAMMAS
    ]
    lengths = shared_prior(alone)
    return tuple(fit_cell(cell, prior, lengths, seed) for cell in prepared)


def all_margins(margin: float) -> tuple[float, ...]:
    """The margin of a report, then the other margins of verdicts."""
    return tuple(dict.fromkeys((margin, *MARGINS)))


def compare(
    cells: Sequence[CellCurve],
    margin: float = MARGIN,
    seed: int = 0,
    rate: float = FALSE_DISCOVERY_RATE,
) -> tuple[Pair, ...]:
    """Every ordered pair of different cells with regret and verdicts.

    Args:
        cells: the fitted cells.
        margin: difference of the error, as a fraction, that does not matter.
        seed: seed of the posterior draws.
        rate: largest false discovery rate of the verdicts.
    """
    margins = all_margins(margin)
    tests = [_Target(cell, cells, margins) for cell in cells]
    judged = margins if len(cells) <= _FEW_CELLS else margins[:1]
    for index, gammas in _close_calls(tests, judged, rate).items():
        tests[index].refine(cells[index].with_draws(_MANY_DRAWS, seed), gammas)
    gains = [gain_at_recommended(cell) for cell in cells]
    return tuple(
        Pair(
            source=cells[s].runs.key,
            target=cells[t].runs.key,
            gamma=tests[t].gammas[s],
            regret=tests[t].regret(s),
            gain_kept=_gain_kept(tests[t].regret(s), gains[t]),
            verdicts=found,
            missing=what_is_missing(cells[t], tests[t].gammas[s], margin)
            if found[margin].verdict == UNDECIDED
            else "",
        )
        for (s, t), found in _verdicts(tests, margins, rate).items()
    )


class _Target:
    """The tests of one target cell with every source."""

    def __init__(
        self, cell: CellCurve, sources: Sequence[CellCurve], margins: Sequence[float]
    ) -> None:
        self.gammas = [float(source.places[source.recommended]) for source in sources]
        self.enough = [_decides(source) and _decides(cell) for source in sources]
        self._margins = margins
        self._regrets = regrets(cell, self.gammas, margins)
        self.p_nothing = p_nothing(cell, margins)

    def refine(self, cell: CellCurve, gammas: Sequence[float]) -> None:
        """Repeats tests near the rate with more draws."""
        self._regrets |= regrets(cell, gammas, self._margins)
        self.p_nothing = p_nothing(cell, self._margins)

    def regret(self, source: int) -> Regret:
        return self._regrets[self.gammas[source]]

    def tests(self, target: int, source: int, margin: int) -> PairTests:
        found = self.regret(source)
        if not self.enough[source]:
            return PairTests(target, np.nan, np.nan)
        return PairTests(target, found.p_within[margin], found.p_beyond[margin])


def p_nothing(cell: CellCurve, margins: Sequence[float]) -> tuple[float, ...]:
    """p-values of "some γ gains more than the margin" (small: nothing to transfer)."""
    if not _decides(cell) or not cell.fit.sees_control:
        return (np.nan,) * len(margins)
    bounds = [-float(np.log1p(-margin)) for margin in margins]
    differences = cell.rivals.of(len(cell.grid), bounds)
    return tuple(differences.largest_p(bound) for bound in bounds)


def _decides(cell: CellCurve) -> bool:
    return says_enough(cell) and cell.seeds >= FEWEST_SEEDS


def _pair_tests(
    tests: Sequence[_Target], margin: int
) -> tuple[list[float], dict[tuple[int, int], PairTests]]:
    cells = range(len(tests))
    pairs = {(s, t): tests[t].tests(t, s, margin) for s in cells for t in cells if s != t}
    return [test.p_nothing[margin] for test in tests], pairs


def _verdicts(
    tests: Sequence[_Target], margins: Sequence[float], rate: float
) -> dict[tuple[int, int], dict[float, Verdict]]:
    """(source, target) -> margin -> verdict."""
    found: dict[tuple[int, int], dict[float, Verdict]] = {}
    for index, margin in enumerate(margins):
        nothing, pairs = _pair_tests(tests, index)
        for pair, verdict in zip(pairs, decide(nothing, list(pairs.values()), rate), strict=True):
            found.setdefault(pair, {})[margin] = verdict
    return found


def _close_calls(
    tests: Sequence[_Target], margins: Sequence[float], rate: float
) -> dict[int, list[float]]:
    """Target -> the γ with a q-value near the rate, where few draws could decide.

    It includes targets whose gain has such a q-value, even without such γ.
    """
    close: dict[int, list[float]] = {}
    for index in range(len(margins)):
        nothing, pairs = _pair_tests(tests, index)
        for target in _near(nothing, rate):
            close.setdefault(target, [])
        places = list(pairs)
        within = _near([one.p_within for one in pairs.values()], rate)
        beyond = _near([one.p_beyond for one in pairs.values()], rate)
        for source, target in (places[i] for i in sorted({*within, *beyond})):
            close.setdefault(target, []).append(tests[target].gammas[source])
    return close


def _near(p: Sequence[float], rate: float) -> list[int]:
    q = q_values(np.array(p, dtype=float)) / rate
    found: list[int] = np.flatnonzero((q >= _CLOSE[0]) & (q <= _CLOSE[1])).tolist()
    return found


def _gain_kept(regret: Regret, gain: Interval) -> float:
    """Share of the target's gain that a γ brings, if a gain is shown."""
    if not gain.low > 0:
        return np.nan
    return -float(np.expm1(regret.at_gamma)) / gain.value
