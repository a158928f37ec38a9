"""Tests of predictions of the best γ on cells with known curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.answer import PAPER_GAMMA
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.optimum import LARGEST_REGRET, CellCurve
from lkm_tune.transfer.fit.prediction import Pool, Prediction, regret_at
from lkm_tune.transfer.fit.regret import regrets

NEVER = "never searched"

LEFT_OUT: dict[str, Callable[[CellKey, CellKey], bool]] = {
    "cell": lambda cell, other: cell != other,
    "task": lambda cell, other: cell.task != other.task,
    "architecture": lambda cell, other: cell.model != other.model,
}
"""Left-out group -> whether a cell remains for the prediction."""

COLUMNS = [
    *CellKey._fields, "left_out", "cells", "gamma", "gamma_low", "gamma_high", "regret_expected",
    "regret", "regret_low", "regret_high", "regret_paper", "regret_zero", "regret_own",
]  # fmt: skip


def predictions_table(cells: Sequence[CellCurve], pool: Pool, margin: float) -> pd.DataFrame:
    """Predictions for each cell without its runs, and for cells without a search.

    `left_out`: "cell" (predicted from all others), "task" (from other tasks only), "architecture"
    (from other architectures only) or "never searched" (an architecture and a task that were both
    searched, but not together). `cells`: number of cells of the prediction. `gamma` with
    `gamma_low` and `gamma_high`: the recommendation and the 95 % interval of the cell's best γ.
    `regret_expected`: mean regret of such predictions, if it can be tested. The other columns are
    posterior means from the runs of the cell: `regret` (with its 95 % interval) of the predicted γ,
    `regret_paper` of γ = 0.02, `regret_zero` of γ = 0, and `regret_own` of the γ that the cell's
    other seeds chose, judged on the held-out seed.
    """
    rows = []
    by_key = {cell.runs.key: cell for cell in cells}
    for index, key in enumerate(pool.keys):
        for left_out, remains in LEFT_OUT.items():
            among = [i for i, other in enumerate(pool.keys) if i != index and remains(key, other)]
            found = pool.predict(key, among)
            if found is not None:
                tested = _tested(by_key[key], found, margin)
                rows.append({**_row(key, left_out, found), **tested})
    for key in never_searched(tuple(by_key)):
        found = pool.predict(key)
        if found is not None:
            rows.append(_row(key, NEVER, found))
    return pd.DataFrame(rows, columns=COLUMNS)


def never_searched(keys: Sequence[CellKey]) -> list[CellKey]:
    """Architectures and tasks that were searched, but not together.

    They have the most frequent depth of the architecture and the most frequent sample size.
    """
    searched = {(key.model, key.task) for key in keys}
    found = []
    for model in dict.fromkeys(key.model for key in keys):
        for task in dict.fromkeys(key.task for key in keys):
            if (model, task) not in searched:
                found.append(like(keys, model, task))
    return found


def like(keys: Sequence[CellKey], model: str, task: str) -> CellKey:
    """The key of an absent cell, with the depth and sample size of existing cells."""
    depths = Counter(key.depth for key in keys if key.model == model)
    sizes = Counter(key.n_train for key in keys)
    depth = depths.most_common(1)[0][0] if depths else 0
    return CellKey(model, task, depth, sizes.most_common(1)[0][0])


def _row(key: CellKey, left_out: str, found: Prediction) -> dict[str, Any]:
    return {
        **key._asdict(),
        "left_out": left_out,
        "cells": len(found.based_on),
        "gamma": found.gamma,
        "gamma_low": found.low,
        "gamma_high": found.high,
        "regret_expected": found.expected_regret,
    }


def _tested(cell: CellCurve, found: Prediction, margin: float) -> dict[str, float]:
    """Costs of the ways to choose γ in a cell, from its runs."""
    judged = regrets(cell, [found.gamma], [margin])[found.gamma]
    return {
        "regret": regret_at(cell, found.gamma),
        "regret_low": judged.low,
        "regret_high": judged.high,
        "regret_paper": regret_at(cell, PAPER_GAMMA),
        "regret_zero": regret_at(cell, 0.0),
        "regret_own": own_regret(cell),
    }


def own_regret(cell: CellCurve) -> float:
    """Expected regret of the γ that the other seeds choose, judged on the held-out seed.

    It is a fraction, at least 0; draws are capped at `LARGEST_REGRET`.
    """
    above = np.minimum(cell.honest_draws - cell.lowest_draws, np.log1p(LARGEST_REGRET))
    return max(float(np.expm1(above).mean()), 0.0)
