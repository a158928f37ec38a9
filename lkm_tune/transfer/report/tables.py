"""The tables of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lkm_tune.transfer.fit.agreement import Orders, curve_agreement
from lkm_tune.transfer.fit.analysis import MARGINS, Pair
from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.cell_answers import level_of, seed_levels
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.optimum import CellCurve
from lkm_tune.transfer.fit.rivals import LEVEL
from lkm_tune.transfer.report.matrix import MARKS, counts

_OUTSIDE = (1 - LEVEL) / 2

# Named, so that a table without rows also has its columns.
_CURVE_COLUMNS = [
    *CellKey._fields, "kind", "study", "seed", "gamma", "error", "aligned", "low", "high",
]  # fmt: skip
_OPTIMA_COLUMNS = [
    *CellKey._fields, "recommended", "decision", "gain", "gain_low", "gain_high", "largest_gain",
    "bound", "gamma_best", "gamma_low", "gamma_high", "flat", "at_edge",
]  # fmt: skip
_DETAIL_COLUMNS = [
    *CellKey._fields, "flat_within_margin", "gain_own_control", "gain_own_control_low",
    "gain_own_control_high", "control_error", "error", "unit", "outcome", "range_low",
    "range_high", "step", "diverged", "seeds", "runs", "noise", "kd_ratio", "scale", "missing",
    "harm_start", "harm", "harm_low", "harm_high",
]  # fmt: skip
_REGRET_COLUMNS = [
    "source", "target", "gamma", "regret", "regret_low", "regret_high", "bound", "gain_kept",
    "verdict", "q_value", "missing",
]  # fmt: skip
_AGREEMENT_COLUMNS = ["first", "second", "tau", "tau_low", "tau_high", "points"]


def answer_tables(answers: Sequence[CellAnswer]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The optima and the details: one row per cell; see `CellAnswer` for the columns.

    `diverged` is a text here.
    """
    rows = [
        {**asdict(answer), "diverged": ", ".join(f"{gamma:g}" for gamma in answer.diverged)}
        for answer in answers
    ]
    optima, details = (
        pd.DataFrame(rows, columns=columns) for columns in (_OPTIMA_COLUMNS, _DETAIL_COLUMNS)
    )
    return optima, details


def curves_table(cells: Sequence[CellCurve], others: Sequence[dict[str, Any]] = ()) -> pd.DataFrame:
    """Measured points and fitted curves, in long form.

    `kind`: "measured" (one row per run; γ = 0 is the control), "diverged" (γ without an error),
    "control" (the level of γ = 0 with its 95 % interval in `low` and `high`) or "fitted" (with
    `low` and `high`, the pointwise 95 % band of the difference from the control).
    `aligned` is the error with the level of its seed replaced by the mean level of the seeds. The
    curve is fitted to these errors.

    Args:
        cells: the fitted cells.
        others: rows of cells without a curve.
    """
    rows = list(others)
    for cell in cells:
        key = cell.runs.key._asdict()
        rows += [{**key, **row} for row in _measured(cell)]
        rows += [{**key, "kind": "diverged", "gamma": g} for g in cell.runs.diverged]
        rows += [{**key, **row} for row in (*_control(cell), *_fitted(cell))]
    return pd.DataFrame(rows, columns=_CURVE_COLUMNS)


def _measured(cell: CellCurve) -> list[dict[str, Any]]:
    gammas = [0.0, *cell.runs.gammas.tolist()]
    shift = seed_levels(cell) - level_of(cell)
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


def _control(cell: CellCurve) -> list[dict[str, Any]]:
    """The level of γ = 0 with its 95 % interval (Student's t)."""
    count = int((~np.isnan(cell.runs.usual[:, 0])).sum())
    if not cell.fit.sees_control or not count:
        return []
    level, reach = level_of(cell), np.nan
    if cell.draws is not None:
        weight = cell.noise_slope.weights(cell.runs.noise_places)[0]
        reach = -stdtrit(cell.fit.dof, _OUTSIDE) * cell.fit.sigma / np.sqrt(count * weight)
    error, low, high = np.exp([level, level - reach, level + reach]).tolist()
    return [{"kind": "control", "gamma": 0.0, "error": error, "low": low, "high": high}]


def _fitted(cell: CellCurve) -> list[dict[str, Any]]:
    level = level_of(cell)
    band = np.full((2, len(cell.grid)), np.nan)
    if cell.draws is not None:
        band = np.quantile(cell.draws, [_OUTSIDE, 1 - _OUTSIDE], axis=0)
    values = np.exp(level + np.vstack([cell.mean, band]))
    return [
        {"kind": "fitted", "gamma": g, "error": e, "aligned": e, "low": low, "high": high}
        for g, e, low, high in zip((10**cell.grid).tolist(), *values.tolist(), strict=True)
    ]


def regret_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row per ordered pair of cells; intervals are not adjusted for the number of pairs.

    `gamma`: the γ that the source's report recommends (0 allowed). `bound`: its largest cost in the
    target. `verdict` and `q_value` are at the margin of the report, `verdict_1`, `verdict_2`
    and `verdict_5` at margins of 1, 2 and 5 %.
    """
    columns = {margin: f"verdict_{100 * margin:.0f}" for margin in MARGINS}
    rows = [
        {
            "source": tuple(pair.source),
            "target": tuple(pair.target),
            "gamma": pair.gamma,
            "regret": pair.regret.value,
            "regret_low": pair.regret.low,
            "regret_high": pair.regret.high,
            "bound": pair.regret.bound,
            "gain_kept": pair.gain_kept,
            "verdict": pair.verdict.verdict,
            "q_value": pair.verdict.q_value,
            "missing": pair.missing,
            **{name: pair.verdicts[margin].verdict for margin, name in columns.items()},
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=[*_REGRET_COLUMNS, *columns.values()])


def agreement_table(cells: Sequence[CellCurve]) -> pd.DataFrame:
    """Kendall's τ of whole curves, one row per pair of cells (in one order)."""
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


def _same(*fields: str) -> Callable[[CellKey, CellKey], bool]:
    of = attrgetter(*fields)
    return lambda s, t: bool(of(s) == of(t))


_AXES: tuple[tuple[str, Callable[[CellKey, CellKey], bool]], ...] = (
    ("from one depth to another", _same("model", "task", "n_train")),
    ("from one sample size to another", _same("model", "task")),
    ("from one architecture to another", _same("task", "n_train")),
    ("from one task to another", _same("model", "n_train")),
    ("in more than one way", lambda s, t: True),
)
"""Each pair belongs to the first axis that it fits. Depth may differ on later axes: the search
finds it for each cell."""


def axes_table(pairs: Sequence[Pair], margin: float) -> pd.DataFrame:
    """The number of pairs with each verdict, for each axis along which cells differ."""
    left, rows = list(pairs), []
    for name, fits in _AXES:
        here = [pair for pair in left if fits(pair.source, pair.target)]
        left = [pair for pair in left if not fits(pair.source, pair.target)]
        if here:
            rows.append({"axis": name, "pairs": len(here), **counts(here, margin)})
    return pd.DataFrame(rows, columns=["axis", "pairs", *MARKS])
