"""Signs of trouble with γ, in words, each with the γ to try next."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from lkm_tune.transfer.fit.analysis import MARGIN
from lkm_tune.transfer.fit.cells import CellKey, cell_names
from lkm_tune.transfer.fit.divergence import diverges
from lkm_tune.transfer.wording import percent

WEAK = 0.01
"""Smallest share of the prediction loss at which a mixing term can have an effect."""

AIM = 0.1
"""Share of the prediction loss of the term at a suggested γ."""

ALIKE = 0.99
"""Layers above this mean CKA cannot learn from each other."""

COLLAPSED = 0.5
"""Embeddings have collapsed if their effective rank is below this share of the rank at γ = 0."""

LOWEST = 1e-4
"""The lowest γ that is worth a trial."""

ONE_SEED = 0.05
"""Smallest difference of the error, as a fraction, that a single seed can show."""


_MEDIANS = {"kd_ratio": "kd_ratio", "layer_cka": "similarity", "layer_rank": "rank"}
"""Columns of a table of runs -> fields of `Strength`, the median of the complete runs."""


@dataclass(frozen=True)
class Strength:
    """The figures of one γ of a cell, NaN if unknown.

    Attributes:
        gamma: γ ≥ 0.
        change: change of the error against γ = 0, as a fraction; the mean over seeds.
        doubt: half the interval of `change`, as a fraction.
        kd_ratio: γ·L_KD / L_pred at the end of training.
        diverged: whether training diverges (`fit.divergence.diverges`).
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
    control: Strength,
    strengths: Sequence[Strength],
    margin: float = MARGIN,
    harm_told: bool = False,
    effect_told: bool = False,
) -> tuple[str, ...]:
    """Signs of trouble with the γ of one cell, one sentence each.

    Args:
        control: γ = 0.
        strengths: every measured γ > 0, in any order.
        margin: difference of the error, as a fraction, that does not matter.
        harm_told: whether the report says from which γ on mixing harms (`fit.harm`); a higher
            error is then no sign.
        effect_told: whether the report shows a gain or a cost of some γ.
    """
    mixed = sorted(strengths, key=lambda one: one.gamma)
    if not mixed:
        return ()
    if control.diverged:
        return ("training diverges without mixing, too, so try a lower learning rate.",)
    found = (
        _too_high(control, mixed, math.inf if harm_told else margin),
        "" if effect_told else _without_effect(control, mixed, margin),
        _outweighs(mixed),
    )
    return tuple(sentence for sentence in found if sentence)


def _too_high(control: Strength, mixed: Sequence[Strength], margin: float) -> str:
    bad = [one for one in mixed if one.diverged or one.change - one.doubt > margin]
    good = [one for one in mixed if one not in bad]
    # A γ that is worse than γ = 0, below a γ that is not worse, shows noise or another trouble.
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
            " and the embeddings have collapsed to an effective rank of"
            f" {first.rank:.2g} from {control.rank:.2g}"
        )
    between = math.sqrt(good[-1].gamma * first.gamma) if good else first.gamma / 10
    advice = f"next γ to try: {_round(between)}" if between >= LOWEST else "leave mixing off"
    return f"a γ is too high (γ = {first.gamma:g}: {what}; {advice})."


def _without_effect(control: Strength, mixed: Sequence[Strength], margin: float) -> str:
    # A larger change that noise may explain is undecided, and no sign of a missing effect.
    if not all(abs(one.change) <= max(margin, min(one.doubt, ONE_SEED)) for one in mixed):
        return ""
    top = mixed[-1]
    said = "no γ has an effect"
    if control.similarity > ALIKE:
        return (
            f"{said}, and the layers are alike without mixing, so try a deeper network (γ up to"
            f" {top.gamma:g}, CKA {control.similarity:.3f}; next γ to try:"
            f" {_round(10 * top.gamma)})."
        )
    strongest = max((one.kd_ratio for one in mixed if one.kd_ratio > 0), default=math.nan)
    if not strongest < WEAK:
        return ""  # A flat curve alone is no trouble: the decision tells it.
    factor = min(100.0, AIM / strongest)
    return (
        f"{said}, since the mixing term is weak (at most {percent(strongest)} of the prediction"
        f" loss, up to γ = {top.gamma:g}; next γ to try: {_round(factor * top.gamma)})."
    )


def _outweighs(mixed: Sequence[Strength]) -> str:
    heavy = [one for one in mixed if one.kd_ratio > 1]
    if not heavy:
        return ""
    first = heavy[0]
    return (
        "the mixing term outweighs the prediction loss, which makes training unstable"
        f" ({first.kd_ratio:.2g} times at γ = {first.gamma:g}; next γ to try:"
        f" {_round(first.gamma * AIM / first.kd_ratio)})."
    )


def study_signs(
    runs: pd.DataFrame,
    margin: float = MARGIN,
    harmed: Collection[CellKey] = (),
    affected: Collection[CellKey] = (),
) -> tuple[str, ...]:
    """The signs of trouble of every cell of a checked table, each with the cell's name.

    Args:
        runs: the table.
        margin: difference of the error, as a fraction, that does not matter.
        harmed: cells whose harm by strong mixing the report tells.
        affected: cells with a shown gain or cost of some γ.
    """
    curve = runs[(runs["phase"] == "curve") & runs["status"].isin(["complete", "diverged"])]
    found, names = [], cell_names(runs)
    for key, (first, *mixed) in _strengths(curve).items():
        if first.gamma == 0:
            signs = signs_of_trouble(first, mixed, margin, key in harmed, key in affected)
            found += [f"{names[key]}: {said}" for said in signs]
    return tuple(found)


def _strengths(curve: pd.DataFrame) -> dict[CellKey, list[Strength]]:
    """The figures of every γ of each cell, ascending; all cells of a table at once for speed."""
    cell = list(CellKey._fields)
    tested = (curve["test_error"] > 0).groupby([curve[name] for name in cell]).transform("any")
    curve = curve.assign(error=curve["test_error"].where(tested, curve["val_error"]))
    same = [*cell, "study", "seed"]
    control = curve[curve["gamma"] == 0].groupby(same)["error"].mean().rename("control")
    curve = curve.join(control, on=same)
    curve["change"] = curve["error"] / curve["control"] - 1
    complete = curve[curve["status"] == "complete"].groupby([*cell, "gamma"])
    names = [name for name in _MEDIANS if name in curve]
    table = pd.concat(
        [
            curve.groupby([*cell, "gamma"]).size().rename("runs"),
            complete.size().rename("done"),
            complete["change"].agg(["mean", "std", "count"]),
            complete[names].median(),
        ],
        axis=1,
    ).sort_index()
    found: dict[CellKey, list[Strength]] = {}
    for row in table.reset_index().to_dict("records"):
        key = CellKey(
            row["model"], row["task"], int(row["depth"]), int(row["n_train"]), row["protocol"]
        )
        found.setdefault(key, []).append(_strength(row))
    return found


def _strength(row: dict[Any, Any]) -> Strength:
    count = int(row["count"]) if row["count"] > 0 else 0
    done = row["done"] if row["done"] > 0 else 0
    return Strength(
        gamma=row["gamma"],
        change=row["mean"],
        doubt=_half_width(row["std"], count) if count > 1 else ONE_SEED,
        # Without complete runs, the figures are unknown.
        diverged=diverges(int(row["runs"] - done), int(row["runs"])),
        **{field: row.get(name, math.nan) for name, field in _MEDIANS.items()},
    )


def _half_width(spread: float, count: int) -> float:
    """Half the 95 % interval of a mean, by Student's t."""
    return -float(stdtrit(count - 1, 0.025)) * spread / math.sqrt(count)


def _round(gamma: float) -> str:
    """γ, rounded to one digit."""
    return f"{float(f'{gamma:.0e}'):g}"
