"""The γ at which training diverges, which bound the usable range."""

from __future__ import annotations

import numpy as np
import pandas as pd


def divergence(
    rows: pd.DataFrame, done: pd.DataFrame, outcome: str, notes: list[str]
) -> tuple[tuple[float, ...], float | None, float | None]:
    """The diverging γ, and the nearest diverging γ around the γ with the lowest error."""
    bad = rows.loc[rows["status"] == "diverged", "gamma"].value_counts()
    if bad.empty:
        return (), None, None
    good = done["gamma"].value_counts().reindex(bad.index, fill_value=0)
    lost = [float(g) for g in bad.index if diverges(bad[g], bad[g] + good[g])]
    diverging = sorted(gamma for gamma in lost if gamma > 0)
    some = [
        f"{bad[gamma]} of {bad[gamma] + good[gamma]} at γ = {gamma:g}"
        for gamma in sorted(set(bad.index) - set(lost))
    ]
    if some:
        notes.append(f"some runs diverged and are left out ({', '.join(some)})")
    usable = done[(done["gamma"] > 0) & ~done["gamma"].isin(diverging)]
    if usable.empty:
        usable = done[done["gamma"] > 0]
    level = np.log(usable[outcome]).groupby(usable["gamma"]).mean()
    best = float(level.index[int(np.argmin(level.to_numpy()))])
    below = max((g for g in diverging if g < best), default=None)
    above = min((g for g in diverging if g > best), default=None)
    if diverging:
        listed = ", ".join(f"{g:g}" for g in diverging)
        notes.append(f"training diverges, which bounds the range (at γ = {listed})")
    return tuple(diverging), below, above


def with_usable_control(rows: pd.DataFrame, done: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The complete runs, without those of γ = 0 if training diverges there."""
    control = done["gamma"] == 0
    lost = int(((rows["status"] == "diverged") & (rows["gamma"] == 0)).sum())
    runs = lost + int(control.sum())
    if not runs:
        notes.append("there is no γ = 0 run, so no gain can be given")
    elif diverges(lost, runs):
        notes.append(f"runs at γ = 0 diverged, so no gain can be given ({lost} of {runs})")
        return done[~control]
    return done


def diverges(diverged: int, runs: int) -> bool:
    """Whether training diverges at a γ: half of its runs did, or two and more than a quarter."""
    return 2 * diverged >= runs or (diverged > 1 and 4 * diverged > runs)
