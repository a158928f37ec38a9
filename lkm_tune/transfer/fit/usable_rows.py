"""The rows of a cell that count: every run once, and on one scale of γ."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lkm_tune.transfer.wording import counted

_ERRORS = ["val_error", "test_error"]
_RUN = ["study", "model", "task", "depth", "n_train", "protocol", "phase", "gamma", "seed"]
_ENDS = ("complete", "diverged")
"""The ends of a run that tell something about γ."""

SHOWN = 3
"""Largest number of contradictions in an error."""


def contradictions(rows: pd.DataFrame) -> list[str]:
    """A fault for each run of a table that several rows give different results.

    A repeated row with the same result is no fault (`without_repeats`), nor is a second attempt
    after a failure.

    Args:
        rows: the rows of curves, with their row numbers from 0 as index.
    """
    ended = rows[rows["status"].isin(_ENDS)]
    run = [*_RUN, "scale"] if "scale" in ended else _RUN
    different = ended[~_results(ended).assign(**{n: ended[n] for n in run}).duplicated()]
    different = different[different.duplicated(run, keep=False)]
    found = []
    for _, same in different.groupby(run, sort=False, dropna=False):
        first = same.iloc[0]
        shown = zip(same.index.tolist(), same.to_dict("records"), strict=True)
        told = "; ".join(f"row {i + 1}: {_result(row)}" for i, row in list(shown)[:SHOWN])
        found.append(
            f"one run of {first['model']} on {first['task']} (γ = {first['gamma']:g}, seed"
            f" {int(first['seed'])}) has {len(same)} different results ({told}): keep one row, or"
            " give every run its own seed"
        )
    more = len(found) - SHOWN
    return found[:SHOWN] + ([f"and {counted(more, 'more such run')}"] if more > 0 else [])


def _results(rows: pd.DataFrame) -> pd.DataFrame:
    """How each run ended, with the errors of complete runs."""
    complete = rows["status"] == "complete"
    return rows[["status"]].join(rows[_ERRORS].where(complete))


def _result(row: dict[Any, Any]) -> str:
    if row["status"] != "complete":
        return str(row["status"])
    return ", ".join(f"{name} {row[name]:.6g}" for name in _ERRORS if row[name] >= 0)


def without_repeats(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Every run once.

    Study (or protocol, if known), γ and seed identify a run. A run of another study is the same run
    if it has the same errors. A result goes before a failed attempt. The last row of several
    counts.
    """
    run = ["study", "gamma", "seed"]
    if len(set(zip(rows["gamma"], rows["seed"], strict=True))) == len(rows):
        return rows  # Most cells have no repeats, and pandas takes milliseconds a cell to see it.
    attempts = rows["status"].isin(_ENDS).sort_values(kind="stable").index
    repeated = rows.loc[attempts].duplicated(run, keep="last").reindex(rows.index)
    complete = rows["status"] == "complete"
    repeated |= complete & (rows[complete & ~repeated].duplicated([*run[1:], *_ERRORS])).reindex(
        rows.index, fill_value=False
    )
    if repeated.any():
        count = int(repeated.sum())
        results = _results(rows[rows["status"].isin(_ENDS)]).join(rows[run]).drop_duplicates()
        differ = int(results.duplicated(run).sum())
        notes.append(
            "runs are recorded more than once, some with another result; the last record of a run"
            f" counts ({counted(count, 'record')} too many, {differ} with another result)"
            if differ
            else f"runs are recorded more than once and count once ({counted(count, 'record')} too"
            " many)"
        )
    return rows[~repeated]


def on_one_scale(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Only the rows with the most frequent scale of γ."""
    if "scale" not in rows or rows["scale"].nunique() < 2:
        return rows
    scales = rows["scale"].value_counts()
    kept = sorted(scales.index[scales == scales.max()])[0]
    other: pd.Series[bool] = rows["scale"].notna() & (rows["scale"] != kept)
    notes.append(
        f"runs with γ on another scale than {kept!r}, that of most runs, are left out"
        f" ({int(other.sum())})"
    )
    return rows.loc[~other]
