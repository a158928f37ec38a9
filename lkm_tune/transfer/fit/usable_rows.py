"""The rows of a cell that count: every run once, and on one scale of γ."""

from __future__ import annotations

import pandas as pd


def without_repeats(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Every run once.

    Study (or protocol, if known), γ and seed identify a run. A run of another study is the same run
    if it has the same errors.
    """
    repeated = rows.duplicated(["study", "gamma", "seed"], keep="last")
    errors = ["gamma", "seed", "val_error", "test_error"]
    complete = rows["status"] == "complete"
    repeated |= complete & (rows[complete & ~repeated].duplicated(errors)).reindex(
        rows.index, fill_value=False
    )
    if repeated.any():
        notes.append(f"{repeated.sum()} runs are recorded more than once and count once")
    return rows[~repeated]


def on_one_scale(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Only the rows with the most frequent scale of γ."""
    if "scale" not in rows or rows["scale"].nunique() < 2:
        return rows
    scales = rows["scale"].value_counts()
    kept = sorted(scales.index[scales == scales.max()])[0]
    other: pd.Series[bool] = rows["scale"].notna() & (rows["scale"] != kept)
    notes.append(
        f"{other.sum()} runs have γ on another scale than {kept!r}, that of most runs, and are left"
        " out"
    )
    return rows.loc[~other]
