"""Signs of trouble with γ, in words, each with the γ to try next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lkm_tune.transfer.plain import percent
from lkm_tune.transfer.runs import CellKey

WEAK = 0.01
"""A mixing term below this share of the prediction loss is too small to show."""

AIM = 0.1
"""The share of the prediction loss that a term too weak or too strong is to be brought to."""

ALIKE = 0.99
"""Layers of this mean CKA have nothing left to learn from each other."""

COLLAPSED = 0.5
"""Embeddings have collapsed where their effective rank is below this share of that at γ = 0."""

ONE_SEED = 0.05
"""A single seed tells no difference of the error below this fraction."""


@dataclass(frozen=True)
class Strength:
    """What is known of one γ of a cell, NaN where nothing is.

    Attributes:
        gamma: γ ≥ 0.
        change: of the error against γ = 0, as a fraction; the mean over seeds.
        doubt: how far off that may be, as a fraction.
        kd_ratio: γ·L_KD / L_pred at the end of training.
        diverged: whether at least half of the runs diverged.
        similarity: mean linear CKA of pairs of layers.
        rank: mean effective rank of layers.
    """

    gamma: float
    change: float = math.nan
    doubt: float = 0.0
    kd_ratio: float = math.nan
    diverged: bool = False
    similarity: float = math.nan
    rank: float = math.nan


def signs_of_trouble(
    control: Strength, strengths: Sequence[Strength], margin: float = 0.01
) -> tuple[str, ...]:
    """What is wrong with the γ of one cell, a sentence each.

    Args:
        control: γ = 0.
        strengths: every measured γ > 0, in any order.
        margin: difference of the error, as a fraction, that does not matter.
    """
    mixed = sorted(strengths, key=lambda one: one.gamma)
    if not mixed:
        return ()
    found = (
        _too_high(control, mixed, margin),
        _without_effect(control, mixed, margin),
        _outweighs(mixed),
    )
    return tuple(sentence for sentence in found if sentence)


def _too_high(control: Strength, mixed: Sequence[Strength], margin: float) -> str:
    bad = [one for one in mixed if one.diverged or one.change - one.doubt > margin]
    good = [one for one in mixed if one not in bad]
    # What is worse than γ = 0 below a γ that is not is noise, or another trouble than strength.
    bad = [one for one in bad if all(one.gamma > other.gamma for other in good)]
    if not bad:
        return ""
    first = bad[0]
    if first.diverged:
        what = "training diverges"
    else:
        what = f"the error is {percent(first.change)} above that of γ = 0"
    if first.rank < COLLAPSED * control.rank:
        what += (
            f" and the embeddings have collapsed (effective rank {first.rank:.2g} against "
            f"{control.rank:.2g})"
        )
    between = math.sqrt(good[-1].gamma * first.gamma) if good else first.gamma / 10
    return f"γ = {first.gamma:g} is too high: {what}. Next γ to try: {_round(between)}."


def _without_effect(control: Strength, mixed: Sequence[Strength], margin: float) -> str:
    if not all(abs(one.change) <= max(margin, one.doubt) for one in mixed):
        return ""
    top = mixed[-1]
    said = f"No γ up to {top.gamma:g} has an effect: no error is told from that of γ = 0"
    if control.similarity > ALIKE:
        return (
            f"{said}, and the layers are alike without mixing (CKA {control.similarity:.3f}). "
            f"Try a deeper network; next γ to try: {_round(10 * top.gamma)}."
        )
    strongest = max((one.kd_ratio for one in mixed if one.kd_ratio > 0), default=math.nan)
    if strongest < WEAK:
        factor = min(100.0, AIM / strongest)
        return (
            f"{said}, since the mixing term is at most {percent(strongest)} of the prediction "
            f"loss. Next γ to try: {_round(factor * top.gamma)}."
        )
    return f"{said}. Next γ to try: {_round(10 * top.gamma)}."


def _outweighs(mixed: Sequence[Strength]) -> str:
    heavy = [one for one in mixed if one.kd_ratio > 1]
    if not heavy:
        return ""
    first = heavy[0]
    return (
        f"At γ = {first.gamma:g} the mixing term is {first.kd_ratio:.2g} times the prediction "
        "loss, which makes training unstable. Next γ to try: "
        f"{_round(first.gamma * AIM / first.kd_ratio)}."
    )


def study_signs(runs: pd.DataFrame, margin: float = 0.01) -> tuple[str, ...]:
    """The signs of trouble of every cell of a checked table, each with the cell's name."""
    curve = runs[(runs["phase"] == "curve") & runs["status"].isin(["complete", "diverged"])]
    found = []
    for _, rows in curve.groupby(list(CellKey._fields), sort=True):
        first = rows.iloc[0]
        depth, n_train = int(first["depth"]), int(first["n_train"])
        key = CellKey(str(first["model"]), str(first["task"]), depth, n_train)
        control, *mixed = _strengths(rows) or [Strength(0.0)]
        if control.gamma == 0:
            found += [f"{key}: {said}" for said in signs_of_trouble(control, mixed, margin)]
    return tuple(found)


def _strengths(rows: pd.DataFrame) -> list[Strength]:
    """Of every γ of a cell, ascending."""
    error = "test_error" if (rows["test_error"] > 0).any() else "val_error"
    labels = ["study", "seed"]
    control = rows[rows["gamma"] == 0].groupby(labels)[error].mean().rename("control")
    joined = rows.join(control, on=labels)
    joined["change"] = joined[error] / joined["control"] - 1
    return [_strength(float(str(gamma)), at) for gamma, at in joined.groupby("gamma", sort=True)]


def _strength(gamma: float, at: pd.DataFrame) -> Strength:
    done = at[at["status"] == "complete"]
    change = done["change"].dropna()
    doubt = 2 * float(change.std()) / math.sqrt(len(change)) if len(change) > 1 else ONE_SEED

    def median(name: str) -> float:
        return float(done[name].median()) if name in done and len(done) else math.nan

    return Strength(
        gamma=gamma,
        change=float(change.mean()) if len(change) else math.nan,
        doubt=doubt,
        kd_ratio=median("kd_ratio"),
        diverged=len(done) * 2 <= len(at),
        similarity=median("layer_cka"),
        rank=median("layer_rank"),
    )


def _round(gamma: float) -> str:
    """To one digit: another is not known."""
    return f"{float(f'{gamma:.0e}'):g}"
