"""The answer for one cell, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.gain import (
    bound_of_recommended,
    gain_at_recommended,
    gain_on_own_control,
    largest_gain,
)
from lkm_tune.transfer.fit.harm import harm_of_strong_mixing
from lkm_tune.transfer.fit.missing import what_is_missing
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.prediction import Prediction
from lkm_tune.transfer.fit.regret import regrets
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS

PAPER_GAMMA = 0.02
"""The best γ of the paper on QM9, on the paper's scale of γ (arXiv:2510.20236)."""

USE, LEAVE_OFF, NOT_NEEDED = "use", "leave off", "not needed"
UNDECIDED, PREDICTED = "undecided", "predicted"
"""Kinds of decisions, see `CellAnswer.decision`."""


@dataclass(frozen=True)
class CellAnswer:
    """The answer for one cell.

    Errors are in `unit`. Gains, regrets and bounds are fractions of the error. γ has no unit.
    Intervals are 95 %, ends `_low` and `_high`. NaN where unknown.

    Attributes:
        model: architecture.
        task: task.
        depth: number of interaction blocks; 0 for models without a depth.
        n_train: training samples.
        protocol: digest of the protocol, "" if unknown.
        name: name of the cell for people.
        recommended: γ with the lowest expected error; 0 is a candidate.
        decision: `USE` (the recommended γ is shown to lower the error), `LEAVE_OFF` (γ = 0 has the
            lowest expected error: no γ was shown to help), `NOT_NEEDED` (no γ was shown to help,
            and γ = 0 is shown to be within the margin of the best), `UNDECIDED` (none of these), or
            `PREDICTED` (the cell was never searched).
        open_low: if no gain is shown, the lowest γ that may be the best (0 allowed).
        open_high: the highest such γ.
        gain: fraction by which the recommended γ lowers the error of γ = 0; 0 if γ = 0 is
            recommended.
        gain_low: lower end, cross-fitted over seeds.
        gain_high: upper end.
        largest_gain: the largest gain of any γ that is not excluded (one test at 5 %).
        bound: largest distance of the recommended γ from the best (one test at 5 %).
        gamma_best: the γ > 0 with the lowest fitted error.
        gamma_low: lower end of the γ > 0 not significantly worse than the best.
        gamma_high: upper end.
        gain_own_control: gain over γ = 0 at the best settings of the control, NaN if the control
            had no search.
        gain_own_control_low: lower end.
        gain_own_control_high: upper end.
        harm_start: the lowest measured γ from which on every γ is shown to cost more than the
            margin, against γ = 0.
        harm: cost of the largest measured γ against γ = 0.
        harm_low: lower end.
        harm_high: upper end.
        paper_regret: regret of `PAPER_GAMMA`.
        paper_regret_low: lower end.
        paper_regret_high: upper end.
        flat: whether no γ > 0 of the measured range differs significantly from another.
        flat_within_margin: whether all γ > 0 are shown to be within the margin of each other.
        at_edge: whether the lowest error at γ > 0 is at an end of the measured range.
        range_low: lowest usable γ > 0.
        range_high: highest usable γ.
        step: factor between the measured γ on both sides of `gamma_best`.
        diverged: γ at which training diverges.
        diverges_below: the nearest diverging γ below the usable range, None without one.
        diverges_above: the nearest diverging γ above the usable range, None without one.
        control_error: error at γ = 0 (geometric mean over seeds).
        error: expected error at the recommended γ.
        unit: unit of the errors, "" if unknown.
        outcome: the analysed error: "test_error", or "val_error" if no test error is known.
        seeds: number of seeds with information on the curve.
        runs: number of runs in the fit.
        noise: standard deviation of the log error between runs of one γ, in the middle of the
            measured γ where it changes with γ.
        kd_ratio: γ·L_KD / L_pred at the measured γ nearest to `gamma_best`.
        scale: the scale of γ, "" if unknown.
        margin: difference of the error that does not matter.
        missing: the reason for a bound above the margin: too few "seeds", too few "gammas" near the
            best, or "" for a bound within the margin.
        studies: studies of the runs; none for a prediction.
        notes: sentences on runs that are left out or suspicious.
        expected_regret: mean regret of such predictions, if it can be tested.
        based_on: names of the cells of the prediction.
        kin: number of these cells with the same architecture or task.
    """

    model: str
    task: str
    depth: int
    n_train: int
    protocol: str
    name: str
    recommended: float
    decision: str
    open_low: float = math.nan
    open_high: float = math.nan
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan
    largest_gain: float = math.nan
    bound: float = math.nan
    gamma_best: float = math.nan
    gamma_low: float = math.nan
    gamma_high: float = math.nan
    gain_own_control: float = math.nan
    gain_own_control_low: float = math.nan
    gain_own_control_high: float = math.nan
    harm_start: float = math.nan
    harm: float = math.nan
    harm_low: float = math.nan
    harm_high: float = math.nan
    paper_regret: float = math.nan
    paper_regret_low: float = math.nan
    paper_regret_high: float = math.nan
    flat: bool = False
    flat_within_margin: bool = False
    at_edge: bool = False
    range_low: float = math.nan
    range_high: float = math.nan
    step: float = math.nan
    diverged: tuple[float, ...] = ()
    diverges_below: float | None = None
    diverges_above: float | None = None
    control_error: float = math.nan
    error: float = math.nan
    unit: str = ""
    outcome: str = ""
    seeds: int = 0
    runs: int = 0
    noise: float = math.nan
    kd_ratio: float = math.nan
    scale: str = ""
    margin: float = math.nan
    missing: str = ""
    studies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    expected_regret: float = math.nan
    based_on: tuple[str, ...] = ()
    kin: int = 0

    @property
    def key(self) -> CellKey:
        """The cell."""
        return CellKey(self.model, self.task, self.depth, self.n_train, self.protocol)

    def at_margin(self, margin: float) -> CellAnswer:
        """The answer with the decision at another margin."""
        decision = self.decision
        if decision in (NOT_NEEDED, UNDECIDED) and self.seeds >= FEWEST_SEEDS:
            decision = NOT_NEEDED if self.largest_gain <= margin else UNDECIDED
        return replace(self, margin=margin, decision=decision)

    @property
    def predicted(self) -> bool:
        """Whether the cell was never searched."""
        return self.decision == PREDICTED


def cell_answers(cells: Sequence[CellCurve], margin: float) -> tuple[CellAnswer, ...]:
    """The answer for each fitted cell.

    Args:
        cells: the cells.
        margin: difference of the error, as a fraction, that does not matter.
    """
    return tuple(_answer(cell, margin) for cell in cells)


def _answer(cell: CellCurve, margin: float) -> CellAnswer:
    runs, known = cell.runs, cell.level_draws is not None
    recommended = float(cell.places[cell.recommended])
    gain, own = gain_at_recommended(cell), gain_on_own_control(cell)
    paper = regrets(cell, [PAPER_GAMMA], [margin])[PAPER_GAMMA]
    as_good = 10 ** cell.grid[cell.as_good]
    gamma_low, gamma_high = (float(as_good.min()), float(as_good.max())) if known else _NOTHING
    flat = known and len(cell.grid) > 1
    flat = flat and (cell.flat_within(margin) or bool(cell.as_good.all()))
    nearest = int(np.abs(np.log10(runs.gammas) - cell.grid[cell.best]).argmin())
    level = float(np.exp(level_of(cell)))
    excluded, harm = largest_gain(cell), harm_of_strong_mixing(cell, margin)
    decision = _decision(cell, recommended, gain.low, excluded <= margin)
    is_open = decision in (NOT_NEEDED, UNDECIDED)
    bound = bound_of_recommended(cell)
    return CellAnswer(
        **runs.key._asdict(),
        name=runs.name,
        recommended=recommended,
        decision=decision,
        open_low=_open_low(cell, gamma_low, gain.low) if is_open else math.nan,
        open_high=gamma_high if is_open else math.nan,
        gain=gain.value,
        gain_low=gain.low,
        gain_high=gain.high,
        largest_gain=excluded,
        bound=bound,
        gamma_best=float(10 ** cell.grid[cell.best]),
        gamma_low=gamma_low,
        gamma_high=gamma_high,
        gain_own_control=own.value,
        gain_own_control_low=own.low,
        gain_own_control_high=own.high,
        harm_start=harm.start,
        harm=harm.cost.value,
        harm_low=harm.cost.low,
        harm_high=harm.cost.high,
        paper_regret=paper.value,
        paper_regret_low=paper.low,
        paper_regret_high=paper.high,
        flat=flat,
        flat_within_margin=cell.flat_within(margin),
        at_edge=cell.best in (0, len(cell.grid) - 1) and not flat,
        range_low=float(runs.gammas[0]),
        range_high=float(runs.gammas[-1]),
        step=_step(cell),
        diverged=runs.diverged,
        diverges_below=runs.below,
        diverges_above=runs.above,
        control_error=level if cell.fit.sees_control else math.nan,
        error=level * float(np.exp(cell.levels[cell.recommended])),
        unit=runs.unit,
        outcome=runs.outcome,
        seeds=cell.seeds,
        runs=int((~np.isnan(runs.usual)).sum()),
        noise=cell.fit.sigma if known else math.nan,
        kd_ratio=float(runs.kd_ratio[nearest]),
        scale=runs.scale,
        margin=margin,
        missing="" if bound <= margin else what_is_missing(cell, recommended, margin),
        studies=runs.studies,
        notes=runs.notes,
    )


_NOTHING = (math.nan, math.nan)


def predicted_answer(key: CellKey, name: str, found: Prediction) -> CellAnswer:
    """The answer for a cell that was never searched.

    `gamma_low` and `gamma_high` are the 95 % interval of the cell's best γ > 0.
    """
    return CellAnswer(
        **key._asdict(),
        name=name,
        recommended=found.gamma,
        decision=PREDICTED,
        gamma_low=found.low,
        gamma_high=found.high,
        expected_regret=found.expected_regret,
        based_on=found.based_on,
        kin=found.kin,
    )


def _decision(
    cell: CellCurve, recommended: float, gain_low: float, control_is_as_good: bool
) -> str:
    if cell.seeds < FEWEST_SEEDS or math.isnan(gain_low):
        return UNDECIDED
    if recommended == 0:
        return LEAVE_OFF
    if gain_low > 0:
        return USE
    return NOT_NEEDED if control_is_as_good else UNDECIDED


def _open_low(cell: CellCurve, gamma_low: float, gain_low: float) -> float:
    """The lowest γ that may be the best: 0 unless a gain is shown or there is no control."""
    if not cell.fit.sees_control or cell.level_draws is None:
        return gamma_low
    return gamma_low if gain_low > 0 else 0.0


def _step(cell: CellCurve) -> float:
    """The largest factor between neighbouring measured γ around the best."""
    x, best = np.log10(cell.runs.gammas), cell.grid[cell.best]
    around = (x[:-1] <= best + 1e-9) & (best - 1e-9 <= x[1:])
    return float(10 ** np.diff(x)[around].max()) if around.any() else math.nan


def level_of(cell: CellCurve) -> float:
    """Log error of the control, or of the curve's level without a control."""
    return float(np.nanmean(seed_levels(cell)))


def seed_levels(cell: CellCurve) -> Array:
    """Level of each seed, shape [S]: the mean of its control and of its runs minus the curve."""
    places = np.abs(cell.grid[None] - np.log10(cell.runs.gammas)[:, None]).argmin(axis=1)
    curve = np.concatenate([[0.0], cell.mean[places]])
    log_error = cell.runs.usual
    if not cell.fit.sees_control:
        log_error = log_error[:, 1:]
        curve = curve[1:]
    ran = ~np.isnan(log_error)
    sums = np.where(ran, log_error - curve, 0.0).sum(axis=1)
    return np.where(ran.any(axis=1), sums / np.maximum(ran.sum(axis=1), 1), np.nan)
