"""All cells and all pairs of a table of runs: the numbers behind the tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from lkm_tune.transfer.fit.cells import FEWEST_GAMMAS, CellKey, split_cells
from lkm_tune.transfer.fit.curve import CurveModel, shared_prior
from lkm_tune.transfer.fit.noise import pure_error, shared_noise, total
from lkm_tune.transfer.fit.optimum import LEVEL, CellCurve, fit_cell, prepare
from lkm_tune.transfer.fit.regret import Regret, transfer_regrets
from lkm_tune.transfer.fit.small_p import upper_tail
from lkm_tune.transfer.fit.verdict import UNDECIDED, Estimate, Verdict, decide, seeds_needed

_TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Gain:
    """Gain of the best γ as a fraction of the error, with its 95 % interval; NaN where unknown.

    Gain = 1 − exp(f(γ*) − f(0)). The value and the lower end are cross-fitted; the upper end is
    that of the lowest point of the curve.
    """

    value: float
    low: float
    high: float
    p_within: float
    """One-sided p-value of "the gain is above the margin" (small: nothing to transfer)."""


NO_GAIN = Gain(np.nan, np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Pair:
    """What is known on using the source's γ in the target."""

    source: CellKey
    target: CellKey
    regret: Regret
    gain_kept: float
    verdict: Verdict
    seeds_needed: float


def fit_cells(runs: pd.DataFrame, seed: int) -> tuple[CellCurve, ...]:
    """Fit the curve of every cell of a checked table; what cells share is learnt from all."""
    cells = list(split_cells(runs))
    parts = [cell.information() for cell in cells]
    prior = shared_noise([pure_error(total(part.values())) for part in parts if part])
    models: dict[bytes, CurveModel] = {}
    prepared = [prepare(cell, models) for cell in cells]
    alone = [
        cell.model.fit(cell.everything, prior).weight
        for cell in prepared
        if len(cell.parts) > 1 and len(cell.model.x) >= FEWEST_GAMMAS
    ]
    lengths = shared_prior(alone)
    return tuple(fit_cell(cell, prior, lengths, seed) for cell in prepared)


def gain(cell: CellCurve, margin: float) -> Gain:
    """Gain of the cell's best γ against γ = 0 at the same settings."""
    if cell.draws is None or not cell.fit.sees_control:
        return NO_GAIN
    p_within = upper_tail(-cell.lowest_draws, -float(np.log1p(-margin)), cell.fit.dof)
    return Gain(
        value=-float(np.expm1(cell.honest_level)),
        low=-float(np.expm1(np.quantile(cell.honest_draws, 1 - _TAIL))),
        high=-float(np.expm1(min(np.quantile(cell.lowest_draws, _TAIL), cell.honest_level))),
        p_within=p_within if len(cell.runs.gammas) >= FEWEST_GAMMAS else np.nan,
    )


def gain_on_own_control(cell: CellCurve) -> tuple[float, float, float]:
    """Gain against γ = 0 at the control's own best settings: (value, low, high).

    Other settings mean other weights, so the noise of the curve does not apply: the interval is
    Student's t over the seeds that both have.
    """
    own = cell.runs.own_control
    shared = [k for k in cell.choices if k in own and cell.fit.sees_control]
    if not shared:
        return np.nan, np.nan, np.nan
    row = {seed: i for i, seed in enumerate(cell.runs.seeds)}
    control = cell.runs.log_error[[row[k] for k in shared], 0]
    at_best = control + [cell.held_out[k][cell.choices[k]] for k in shared]
    difference = at_best - np.array([own[k] for k in shared])
    difference = difference[~np.isnan(difference)]
    if len(difference) < 2:
        return (-float(np.expm1(difference.mean())) if len(difference) else np.nan), np.nan, np.nan
    mean, error = difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
    reach = student_t.isf(_TAIL, len(difference) - 1) * error
    low, high = -np.expm1(mean + reach), -np.expm1(mean - reach)
    return -float(np.expm1(mean)), float(low), float(high)


def compare(cells: Sequence[CellCurve], gains: Sequence[Gain], margin: float) -> tuple[Pair, ...]:
    """Every ordered pair of different cells with regret and verdict."""
    order = [(s, t) for s in range(len(cells)) for t in range(len(cells)) if s != t]
    into = [transfer_regrets(cells, target, margin) for target in cells]
    regrets = [into[t][s] for s, t in order]
    p_values = [
        (gains[t].p_within, regret.p_within, regret.p_beyond)
        for (_, t), regret in zip(order, regrets, strict=True)
    ]
    decisions = decide(p_values)
    return tuple(
        Pair(
            source=cells[s].runs.key,
            target=cells[t].runs.key,
            regret=regret,
            gain_kept=_gain_kept(regret, gains[t]),
            verdict=verdict,
            seeds_needed=_seeds_needed(
                regret, gains[t], min(cells[s].seeds, cells[t].seeds), margin, decisions.p_needed
            )
            if verdict.verdict == UNDECIDED
            else np.nan,
        )
        for (s, t), regret, verdict in zip(order, regrets, decisions.verdicts, strict=True)
    )


def _gain_kept(regret: Regret, target: Gain) -> float:
    """Share of the target's gain that the source's γ brings, where there is a gain for sure."""
    if not target.low > 0 or not target.value > 0:
        return np.nan
    return -float(np.expm1(regret.at_source)) / target.value


def _seeds_needed(
    regret: Regret,
    target: Gain,
    seeds: int,
    margin: float,
    p_needed: tuple[float, float, float],
) -> float:
    nothing, within, beyond = p_needed
    inside = regret.value < margin
    p_value, needed = (regret.p_within, within) if inside else (regret.p_beyond, beyond)
    value, low, high, bound = np.log1p([regret.value, regret.low, regret.high, margin]).tolist()
    estimates = [Estimate(value, low, high, bound, p_value, needed)]
    if target.value < margin:
        # In log error relative to the control, where a gain is negative.
        levels = np.log1p([-target.value, -target.high, -target.low, -margin]).tolist()
        value, low, high, bound = levels
        estimates.append(Estimate(value, low, high, bound, target.p_within, nothing))
    return seeds_needed(estimates, seeds)
