"""The checks of a table of runs; one error reports every fault."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from lkm_tune.printable import printable
from lkm_tune.transfer.fit.usable_rows import contradictions

COLUMNS = {
    "study": "name of the study",
    "model": "architecture",
    "task": "task",
    "depth": "number of interaction blocks, a whole number",
    "n_train": "number of training samples, a whole number",
    "gamma": "strength of the mixing, 0 for the control",
    "seed": "seed, a whole number",
    "val_error": "validation error in the task's unit",
    "test_error": "test error in the task's unit",
    "status": "how the run ended",
}
"""Necessary column -> its meaning."""

NAMES = ("study", "model", "task")
OPTIONAL_NUMBERS = (
    *("val_mean_error", "test_mean_error", "kd_ratio", "layer_cka", "layer_rank", "seconds"),
)
OPTIONAL_TEXTS = ("protocol", "protocol_text", "until")
"""The protocol of runs as a digest and in words, `curve.until` of their study; "" if unknown."""

_SHOWN_TEXTS = (*NAMES, *OPTIONAL_TEXTS, "unit", "scale")

STATUSES = ("complete", "stopped", "diverged", "infeasible", "failed")
PHASES = ("curve", "control_curve")
"""The phases of the analysis."""


class RunTableError(ValueError):
    """A table of runs that cannot be analysed; the message lists every reason."""

    def __init__(self, faults: list[str]) -> None:
        """Makes the message from the faults."""
        self.faults = tuple(faults)
        super().__init__("The table of runs cannot be analysed:\n  " + "\n  ".join(faults))


def check_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """A clean copy of a tidy table of runs.

    Numbers become numbers, γ is rounded to 10 significant digits (so that one γ written in two ways
    is one γ), a missing `phase` column is filled with "curve", and missing columns of
    `OPTIONAL_TEXTS` with "". Control characters in texts become escapes, for terminals and figures.

    Raises:
        RunTableError: if columns are missing or values are wrong; the error lists all of them.
    """
    missing = [name for name in COLUMNS if name not in runs.columns]
    if missing:
        raise RunTableError(
            [f"missing column {name!r}: {COLUMNS[name]}" for name in missing]
            + [f"columns found: {', '.join(printable(str(c)) for c in runs.columns) or 'none'}"]
        )
    clean = runs.reset_index(drop=True).copy()
    if "phase" not in clean:
        clean["phase"] = "curve"
    for name in OPTIONAL_TEXTS:
        clean[name] = clean[name].fillna("").astype(str) if name in clean else ""
    faults = _statuses(clean)
    used = clean["phase"].isin(PHASES)
    clean["depth"] = _depths(clean)
    for name in ("depth", "n_train", "seed"):
        faults += _number(clean, name, used, whole=True)
    for name in ("gamma", "val_error", "test_error"):
        faults += _number(clean, name, used & clean["status"].isin(["complete", "diverged"]))
    for name in OPTIONAL_NUMBERS:
        if name in clean:
            faults += _number(clean, name, used & False)
    for name in NAMES:
        unnamed = used & (clean[name].isna() | (clean[name].astype(str).str.strip() == ""))
        if unnamed.any():
            faults.append(f"{name}: must not be empty, but got {_examples(clean[name][unnamed])}")
    if faults:
        faults.append("rows are counted from 1, without the line of headings")
    if not used.any():
        faults.append('no row has the phase "curve": no response curve was measured yet')
    if faults:
        raise RunTableError(faults)
    for name in _SHOWN_TEXTS:
        if name in clean:
            clean[name] = [printable(v) if isinstance(v, str) else v for v in clean[name]]
    for name in (*NAMES, "status", "phase", *OPTIONAL_TEXTS):
        # Plain Python strings compare many times faster than pandas' own.
        clean[name] = clean[name].astype(object)
    clean["gamma"] = [float(f"{g:.10g}") for g in clean["gamma"]]
    if faults := contradictions(clean[used]):
        raise RunTableError(faults)
    return clean


def unfinished_cells(
    runs: pd.DataFrame, answered: Collection[tuple[Any, ...]] = ()
) -> list[tuple[str, str]]:
    """The name of each (model, task, n_train) with rows but no curve to fit, and why.

    Args:
        runs: the checked table.
        answered: keys of cells without a curve that have an answer.
    """
    known = {(model, task, size) for model, task, _, size, *_ in answered}
    names = ["model", "task", "n_train"]
    mixed = (runs["phase"] == "curve") & (runs["gamma"] > 0)
    finished, complete, diverged = (
        set(runs.loc[mixed & rows, names].itertuples(index=False, name=None))
        for rows in (measured(runs), runs["status"] == "complete", runs["status"] == "diverged")
    )
    found = []
    for cell in dict.fromkeys(runs[names].dropna().itertuples(index=False, name=None)):
        why = "no response curve is finished yet"
        if cell in complete:
            why = "no complete run has a positive error"
        elif cell in diverged:
            why = "no run at γ > 0 is complete, and some diverged"
        if cell not in finished | known:
            model, task, size = cell
            found.append((f"{model} on {task} ({int(size):,} samples)", f"{why}."))
    return found


def measured(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row is a point of a curve at γ > 0 with a valid error."""
    error = (rows["test_error"] > 0) | (rows["val_error"] > 0)
    return (rows["status"] == "complete") & (rows["gamma"] > 0) & error


def _depths(clean: pd.DataFrame) -> pd.Series:
    """The depths; 0 for a user's models without a depth."""
    without = clean["depth"].isna()
    if not without.any():
        return clean["depth"]
    never = without.groupby(clean["model"].astype(str)).transform("all")
    return clean["depth"].astype(object).mask(never, 0)


def _statuses(clean: pd.DataFrame) -> list[str]:
    wrong = clean["status"][~clean["status"].isin(STATUSES)]
    if wrong.empty:
        return []
    return [f"status: must be one of {', '.join(STATUSES)}, but got {_examples(wrong)}"]


def _number(
    clean: pd.DataFrame, name: str, used: pd.Series[bool], whole: bool = False
) -> list[str]:
    """Turns a column into numbers; returns the faults of the used rows."""
    raw = clean[name]
    values = pd.to_numeric(raw, errors="coerce").astype(float)
    clean[name] = values
    text = used & values.isna() & raw.notna()
    if text.any():
        return [f"{name}: must be a number, but got {_examples(raw[text])}"]
    wrong = used & ((values < 0) | np.isinf(values))
    rule = "must be finite and not negative"
    if whole:
        wrong = used & ~((values % 1 == 0) & (values.abs() < 2**53))
        rule = "must be a whole number in every row of a curve"
    elif name == "gamma":
        wrong |= used & values.isna()
    if name != "gamma" and not whole:
        # The error of a diverged run is often inf and never used.
        wrong &= clean["status"] == "complete"
    return [f"{name}: {rule}, but got {_examples(raw[wrong])}"] if wrong.any() else []


def _examples(values: pd.Series) -> str:
    """Up to three values, each with its first row."""
    told = values.astype(object).where(values.notna(), "nothing")
    told = told.map(lambda v: v if v == "nothing" else repr(v).replace("''", "nothing"))
    first = told[~told.duplicated()]
    shown = [
        f"{text} in row {row + 1}" for row, text in zip(first.index.tolist(), first, strict=True)
    ]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
