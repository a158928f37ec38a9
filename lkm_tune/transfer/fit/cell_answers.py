"""Makes the answer for each cell from its fitted curve, or from a prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lkm_tune.transfer.fit.answer import (
    LEAVE_OFF,
    PAPER_GAMMA,
    PREDICTED,
    UNDECIDED,
    USE,
    CellAnswer,
)
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
    harm, bound = harm_of_strong_mixing(cell, margin), bound_of_recommended(cell)
    decision = _decision(cell, recommended, gain.low)
    is_open = decision == UNDECIDED
    answer = CellAnswer(
        **runs.key._asdict(),
        name=runs.name,
        recommended=recommended,
        decision=decision,
        open_low=_open_low(cell, gamma_low, gain.low) if is_open else math.nan,
        open_high=gamma_high if is_open else math.nan,
        gain=gain.value,
        gain_low=gain.low,
        gain_high=gain.high,
        largest_gain=largest_gain(cell),
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
        of_mean=runs.of_mean,
        studies=runs.studies,
        notes=runs.notes,
    )
    return answer.at_margin(margin)


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


def _decision(cell: CellCurve, recommended: float, gain_low: float) -> str:
    """The decision without a margin; `CellAnswer.at_margin` knows whether γ = 0 is as good."""
    if cell.seeds < FEWEST_SEEDS or math.isnan(gain_low):
        return UNDECIDED
    if recommended == 0:
        return LEAVE_OFF
    return USE if gain_low > 0 else UNDECIDED


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
