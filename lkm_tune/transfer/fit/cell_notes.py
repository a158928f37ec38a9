"""Notes on the runs of one cell: left out, missing, too few.

Every function appends parts of sentences to the notes of the cell. What differs between cells
stands in brackets at the end, so that one sentence can tell it of several cells
(`report.remarks.once`).
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.wording import margin_text, percent

FEWEST_GAMMAS = 3
"""Fewest measured γ > 0 of a curve."""

LEARNT = 0.3
"""A network has learnt more than little if it beats predicting the mean by this fraction."""

NOTHING_LEARNT = 1.0
"""A network has learnt nothing if its error is this fraction of that of predicting the mean."""


def note_left_out(rows: pd.DataFrame, done: pd.DataFrame, outcome: str, notes: list[str]) -> None:
    """Notes on runs outside the fit."""
    left_out = {
        "stopped": "stopped before the full budget",
        "infeasible": "without enough memory",
        "failed": "that failed",
    }
    counts = Counter(rows["status"])
    parts = [(counts[status], f"curve runs {why}") for status, why in left_out.items()]
    parts.append((counts["complete"] - len(done), f"complete runs without a positive {outcome}"))
    notes += [f"{which} are left out ({count})" for count, which in parts if count]


def note_design(
    seeds: tuple[tuple[str, int], ...],
    studies: tuple[str, ...],
    gammas: Array,
    log_error: Array,
    notes: list[str],
) -> None:
    """Notes on too few seeds or γ, and on several studies."""
    if np.all((~np.isnan(log_error)).sum(axis=1) < 2):
        notes.append(
            "no seed ran at more than one γ, so levels of seeds and effects of γ cannot be"
            " separated; repeat the same seeds at every γ"
        )
    elif len(seeds) == 1:
        notes.append("only one seed, so no interval can be given; add seeds")
    elif len(seeds) == 2:
        notes.append("only two seeds, so the intervals are wide")
    if len(gammas) < FEWEST_GAMMAS:
        notes.append(
            "too few usable γ above 0 for a curve, so no verdict between this and other cells is"
            f" given ({len(gammas)} of at least {FEWEST_GAMMAS})"
        )
    if len(studies) > 1:
        notes.append(f"runs of the studies {', '.join(studies)} are taken together")


def note_missing(log_error: Array, notes: list[str]) -> None:
    """Note on runs that are missing in a design of every γ with every seed."""
    missing = int(np.isnan(log_error[:, 1:]).sum())
    missing += int(np.isnan(log_error[:, 0]).sum()) if np.any(~np.isnan(log_error[:, 0])) else 0
    if missing:
        notes.append(f"runs of the grid γ × seed are missing ({missing} of {log_error.size})")


def note_accidents(
    seeds: tuple[tuple[str, int], ...],
    gammas: Array,
    far: NDArray[np.bool_],
    notes: list[str],
) -> None:
    """A note on runs that are left out because noise does not explain them.

    Args:
        seeds: S labels (study, seed).
        gammas: the control first, shape [1 + J].
        far: whether each run is an accident, shape [S, 1 + J].
        notes: the notes of the cell.
    """
    if not far.any():
        return
    places = [f"γ = {gammas[place]:g}, seed {seeds[row][1]}" for row, place in np.argwhere(far)]
    shown = "; ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    notes.append(
        f"runs that differ from the other runs by more than noise explains are left out ({shown})"
    )


def learning(done: pd.DataFrame, outcome: str, notes: list[str]) -> float:
    """The error as a fraction of the error of predicting the mean, at the lowest γ; NaN if unknown.

    A network that is hardly better than predicting the mean gets a note.
    """
    mean_error = "test_mean_error" if outcome == "test_error" else "val_mean_error"
    if mean_error not in done:
        return math.nan
    known = done[done[mean_error] > 0]
    first = known[known["gamma"] == known["gamma"].min()]
    ratio = float((first[outcome] / first[mean_error]).median())
    if ratio > 1 - LEARNT:
        gamma = f"γ = {float(first['gamma'].iloc[0]):g}"
        least, then = margin_text(1 - LEARNT), "one that learns more may answer otherwise"
        said = f"the network learnt little, since its error at {gamma} is at least {least}"
        if ratio >= NOTHING_LEARNT:
            least = margin_text(NOTHING_LEARNT)
            said = f"the network learnt nothing, since its error at {gamma} is at least {least}"
            then = "its curve is meaningless"
        notes.append(f"{said} of that of predicting the mean, so {then} ({percent(ratio)})")
    return ratio
