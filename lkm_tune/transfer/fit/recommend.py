"""The γ to begin with, from a table of runs alone: for a search that is still going on."""

from __future__ import annotations

import pandas as pd

from lkm_tune.transfer.fit.analysis import fit_cells
from lkm_tune.transfer.fit.prediction import Pool
from lkm_tune.transfer.fit.prediction_test import like
from lkm_tune.transfer.fit.run_table import RunTableError, check_runs


def recommended_gamma(runs: pd.DataFrame, model: str, task: str, n_train: int) -> float | None:
    """The γ that the finished cells of a table recommend for a cell.

    Args:
        runs: see `TransferReport.from_runs`.
        model: architecture of the cell.
        task: its task.
        n_train: its training samples.

    Returns:
        None where no curve of another cell has two seeds and enough γ.
    """
    try:
        pool = Pool(fit_cells(check_runs(runs), seed=0))
    except RunTableError:
        return None
    if not pool.keys:
        return None
    found = pool.predict(like(pool.keys, model, task)._replace(n_train=n_train))
    return None if found is None else found.gamma
