"""The answer for cells in which training diverges at every γ > 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.answer import LEAVE_OFF, CellAnswer
from lkm_tune.transfer.fit.cells import CellKey, cell_key, cell_names


def diverged_answers(runs: pd.DataFrame, margin: float) -> tuple[CellAnswer, ...]:
    """γ = 0 for each cell with complete runs at γ = 0 and only diverged runs at γ > 0.

    Such a cell has no curve.

    Args:
        runs: the checked table of runs.
        margin: difference of the error, as a fraction, that does not matter.
    """
    curve, names = runs[runs["phase"] == "curve"], cell_names(runs)
    found: list[CellAnswer] = []
    if not (curve["status"] == "diverged").any():
        return ()
    for values, rows in curve.groupby(list(CellKey._fields), sort=True):
        mixed, control = rows[rows["gamma"] > 0], rows[rows["gamma"] == 0]
        control = control[control["status"] == "complete"]
        outcome = "test_error" if (control["test_error"] > 0).any() else "val_error"
        control = control[control[outcome] > 0]
        if mixed.empty or control.empty or not (mixed["status"] == "diverged").all():
            continue
        key = cell_key(values)
        error = float(np.exp(np.log(control[outcome]).mean()))
        unit = str(control["unit"].iloc[0]) if "unit" in control else ""
        found.append(
            CellAnswer(
                **key._asdict(),
                name=names[key],
                recommended=0.0,
                decision=LEAVE_OFF,
                gain=0.0,
                diverged=tuple(sorted(set(mixed["gamma"].tolist()))),
                control_error=error,
                error=error,
                unit=unit,
                outcome=outcome,
                seeds=int(control["seed"].nunique()),
                runs=len(control),
                margin=margin,
                studies=tuple(sorted(set(rows["study"].astype(str)))),
            )
        )
    return tuple(found)


def diverged_curve(runs: pd.DataFrame, answer: CellAnswer) -> Iterator[dict[str, Any]]:
    """The rows of the curves table (`tables.curves_table`) of such a cell."""
    same = (runs["phase"] == "curve") & (runs["status"] == "complete")
    for name, value in answer.key._asdict().items():
        same &= runs[name] == value
    key = answer.key._asdict()
    for row in runs[same].to_dict("records"):
        error = row[answer.outcome]
        told = {name: row[name] for name in ("study", "seed", "gamma")}
        yield {**key, **told, "kind": "measured", "error": error, "aligned": answer.error}
    level = {"error": answer.error, "low": math.nan, "high": math.nan}
    yield {**key, "kind": "control", "gamma": 0.0, **level}
    yield from ({**key, "kind": "diverged", "gamma": gamma} for gamma in answer.diverged)
