"""The tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.agreement import Orders, curve_agreement
from lkm_tune.transfer.fit.analysis import Gain, Pair, gain_on_own_control
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.fit.optimum import LEVEL, CellCurve

_TAIL = (1 - LEVEL) / 2

# Named so that a table without rows has its columns, too.
_CURVE_COLUMNS = [
    *CellKey._fields, "kind", "study", "seed", "gamma", "error", "aligned", "low", "high",
]  # fmt: skip
_OPTIMA_COLUMNS = [
    *CellKey._fields, "gamma_best", "gamma_low", "gamma_high", "gain", "gain_low", "gain_high",
    "flat", "at_edge",
]  # fmt: skip
_DETAIL_COLUMNS = [
    *CellKey._fields, "flat_within_margin", "gain_own_control", "gain_own_control_low",
    "gain_own_control_high", "control_error", "best_error", "unit", "error", "range_low",
    "range_high", "step", "diverged", "seeds", "runs", "noise", "kd_ratio", "scale",
]  # fmt: skip
_REGRET_COLUMNS = [
    "source", "target", "regret", "regret_low", "regret_high", "gain_kept", "verdict", "q_value",
    "seeds_needed",
]  # fmt: skip
_AGREEMENT_COLUMNS = ["first", "second", "tau", "tau_low", "tau_high", "points"]


def optima_table(cells: Sequence[CellCurve], gains: Sequence[Gain], margin: float) -> pd.DataFrame:
    """One row a cell: its best γ, the gain, and how sure both are.

    `gamma_low` and `gamma_high` bound the γ not significantly worse than the best. `flat`: these
    are all that was measured, or the curve is shown to differ nowhere by more than the margin.
    `at_edge`: the lowest error of a curve that is not flat is at an end of the range.
    """
    rows = [_optimum(cell, gain, margin) for cell, gain in zip(cells, gains, strict=True)]
    return pd.DataFrame(rows, columns=_OPTIMA_COLUMNS)


def details_table(cells: Sequence[CellCurve], margin: float) -> pd.DataFrame:
    """What else is known of each cell, in the order of the optima.

    `gain_own_control`: against γ = 0 at the control's own best settings. `kd_ratio`:
    γ·L_KD / L_pred at the measured γ nearest to the best. `step`: the factor between the measured γ
    on both sides of the best. `noise`: standard deviation of the log
    error between runs of one γ.
    """
    return pd.DataFrame([_details(cell, margin) for cell in cells], columns=_DETAIL_COLUMNS)


def _optimum(cell: CellCurve, gain: Gain, margin: float) -> dict[str, Any]:
    as_good, known = cell.grid[cell.as_good], cell.draws is not None
    flat = known and len(cell.grid) > 1
    flat = flat and (cell.flat_within(margin) or bool(cell.as_good.all()))
    return {
        **cell.runs.key._asdict(),
        "gamma_best": float(10 ** cell.grid[cell.best]),
        "gamma_low": float(10 ** as_good.min()) if known else np.nan,
        "gamma_high": float(10 ** as_good.max()) if known else np.nan,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "flat": flat,
        "at_edge": cell.best in (0, len(cell.grid) - 1) and not flat,
    }


def _details(cell: CellCurve, margin: float) -> dict[str, Any]:
    known = cell.draws is not None
    own = gain_on_own_control(cell)
    nearest = int(np.abs(np.log10(cell.runs.gammas) - cell.grid[cell.best]).argmin())
    level = float(np.exp(level_of(cell)))
    best_level = cell.honest_level if known else float(cell.mean[cell.best])
    return {
        **cell.runs.key._asdict(),
        "flat_within_margin": cell.flat_within(margin),
        "gain_own_control": own[0],
        "gain_own_control_low": own[1],
        "gain_own_control_high": own[2],
        "control_error": level if cell.fit.sees_control else np.nan,
        "best_error": level * float(np.exp(best_level)),
        "unit": cell.runs.unit,
        "error": cell.runs.outcome,
        "range_low": float(cell.runs.gammas[0]),
        "range_high": float(cell.runs.gammas[-1]),
        "step": _step(cell),
        "diverged": ", ".join(f"{gamma:g}" for gamma in cell.runs.diverged),
        "seeds": cell.seeds,
        "runs": int((~np.isnan(cell.runs.log_error)).sum()),
        "noise": cell.fit.sigma if known else np.nan,
        "kd_ratio": float(cell.runs.kd_ratio[nearest]),
        "scale": cell.runs.scale,
    }


def _step(cell: CellCurve) -> float:
    """The largest factor between neighbouring γ that were measured around the best."""
    x, best = np.log10(cell.runs.gammas), cell.grid[cell.best]
    around = (x[:-1] <= best + 1e-9) & (best - 1e-9 <= x[1:])
    return float(10 ** np.diff(x)[around].max()) if around.any() else np.nan


def level_of(cell: CellCurve) -> float:
    """Log error that the curve is relative to: of the control, or without one of the curve."""
    return float(np.nanmean(_intercepts(cell)))


def _intercepts(cell: CellCurve) -> Array:
    """Level of each seed, shape [S]: the mean of its runs less the curve, and of its control."""
    places = np.abs(cell.grid[None] - np.log10(cell.runs.gammas)[:, None]).argmin(axis=1)
    curve = np.concatenate([[0.0], cell.mean[places]])
    log_error = cell.runs.log_error
    if not cell.fit.sees_control:
        log_error = log_error[:, 1:]
        curve = curve[1:]
    ran = ~np.isnan(log_error)
    sums = np.where(ran, log_error - curve, 0.0).sum(axis=1)
    return np.where(ran.any(axis=1), sums / np.maximum(ran.sum(axis=1), 1), np.nan)


def curves_table(cells: Sequence[CellCurve]) -> pd.DataFrame:
    """Measured points and fitted curves, in long form.

    `kind`: "measured" (one row a run; γ = 0 is the control), "diverged" (γ without an error) or
    "fitted" (with `low` and `high`, the pointwise 95 % band of the difference from the control).
    `aligned` is the error with the seed's own level replaced by the mean level of the seeds: what
    the curve is fitted to.
    """
    rows: list[dict[str, Any]] = []
    for cell in cells:
        key = cell.runs.key._asdict()
        rows += [{**key, **row} for row in _measured(cell)]
        rows += [{**key, "kind": "diverged", "gamma": g} for g in cell.runs.diverged]
        rows += [{**key, **row} for row in _fitted(cell)]
    return pd.DataFrame(rows, columns=_CURVE_COLUMNS)


def _measured(cell: CellCurve) -> list[dict[str, Any]]:
    gammas = [0.0, *cell.runs.gammas.tolist()]
    shift = _intercepts(cell) - level_of(cell)
    return [
        {
            "kind": "measured",
            "study": study,
            "seed": seed,
            "gamma": gamma,
            "error": float(np.exp(value)),
            "aligned": float(np.exp(value - offset)),
        }
        for (study, seed), row, offset in zip(
            cell.runs.seeds, cell.runs.log_error, shift, strict=True
        )
        for gamma, value in zip(gammas, row, strict=True)
        if not np.isnan(value)
    ]


def _fitted(cell: CellCurve) -> list[dict[str, Any]]:
    level = level_of(cell)
    band = np.full((2, len(cell.grid)), np.nan)
    if cell.draws is not None:
        band = np.quantile(cell.draws, [_TAIL, 1 - _TAIL], axis=0)
    values = np.exp(level + np.vstack([cell.mean, band]))
    return [
        {"kind": "fitted", "gamma": g, "error": e, "aligned": e, "low": low, "high": high}
        for g, e, low, high in zip((10**cell.grid).tolist(), *values.tolist(), strict=True)
    ]


def regret_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row an ordered pair of cells; intervals are not adjusted for the number of pairs."""
    rows = [
        {
            "source": tuple(pair.source),
            "target": tuple(pair.target),
            "regret": pair.regret.value,
            "regret_low": pair.regret.low,
            "regret_high": pair.regret.high,
            "gain_kept": pair.gain_kept,
            "verdict": pair.verdict.verdict,
            "q_value": pair.verdict.q_value,
            "seeds_needed": pair.seeds_needed,
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=_REGRET_COLUMNS)


def agreement_table(cells: Sequence[CellCurve]) -> pd.DataFrame:
    """Kendall's τ of whole curves, one row a pair of cells (in one order)."""
    rows = []
    for first, second in combinations([Orders(cell) for cell in cells], 2):
        found = curve_agreement(first, second)
        rows.append(
            {
                "first": tuple(first.cell.runs.key),
                "second": tuple(second.cell.runs.key),
                "tau": found.tau,
                "tau_low": found.low,
                "tau_high": found.high,
                "points": found.points,
            }
        )
    return pd.DataFrame(rows, columns=_AGREEMENT_COLUMNS)
