"""Notes on the runs of one cell: left out, missing, too few.

Every function appends parts of sentences to the notes of the cell.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.wording import counted, percent

FEWEST_GAMMAS = 3
"""Fewest measured γ > 0 of a curve."""

_NUMBERS = (("", "is"), ("s", "are"))
"""Ending of a noun and verb: singular, plural."""

LEARNT = 0.3
"""A network has learnt something if it beats predicting the mean by this fraction."""


def note_left_out(rows: pd.DataFrame, done: pd.DataFrame, outcome: str, notes: list[str]) -> None:
    """Notes on runs outside the fit."""
    left_out = {
        "stopped": "stopped before the full budget",
        "infeasible": "without enough memory",
        "failed": "that failed",
    }
    counts = Counter(rows["status"])
    parts = [(counts[status], f"curve run{{}} {why}") for status, why in left_out.items()]
    parts.append((counts["complete"] - len(done), f"complete run{{}} without a positive {outcome}"))
    for count, which in parts:
        if count:
            one, many = (f"{which.format(s)} {verb} left out" for s, verb in _NUMBERS)
            notes.append(counted(count, one, many))


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
            f"only {len(gammas)} usable γ above 0, too few for a curve; no verdict is given"
        )
    if len(studies) > 1:
        notes.append(f"runs of the studies {', '.join(studies)} are taken together")


def note_missing(log_error: Array, notes: list[str]) -> None:
    """Note on runs that are missing in a design of every γ with every seed."""
    missing = int(np.isnan(log_error[:, 1:]).sum())
    missing += int(np.isnan(log_error[:, 0]).sum()) if np.any(~np.isnan(log_error[:, 0])) else 0
    if missing:
        verb = "is" if missing == 1 else "are"
        notes.append(f"{missing} of {log_error.size} runs (γ × seed) {verb} missing")


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
    noise = f"({shown}) {{}} from the other runs by more than noise explains, and {{}} left out"
    one, many = noise.format("differs", "is"), noise.format("differ", "are")
    notes.append(counted(len(places), f"run {one}", f"runs {many}"))


def note_learning(done: pd.DataFrame, outcome: str, notes: list[str]) -> None:
    """A note on a network that is hardly better than predicting the mean."""
    mean_error = "test_mean_error" if outcome == "test_error" else "val_mean_error"
    control = done[done["gamma"] == 0]
    if mean_error not in control or control[mean_error].isna().all():
        return
    ratio = float((control[outcome] / control[mean_error]).median())
    if ratio > 1 - LEARNT:
        notes.append(
            f"the error at γ = 0 is {percent(ratio)} of the error of predicting the mean; a curve"
            " of a network that learnt nothing is meaningless"
        )
