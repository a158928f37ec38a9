"""Effects of architecture, task, depth and sample size on the best γ.

A mixed model of the best log10 γ of the cells whose curves are not flat,

    log10 γ*_c = μ + a·log2 depth_c + b·log10 n_c + u[model_c] + v[task_c] + e_c,

u, v and e normal with separate variances (crossed random effects; D. Bates et al., J. Stat. Softw.
67, 2015, eq. 2). Architectures and tasks are random effects, since the question is the effect of a
new architecture or task on γ.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.wording import short_text

FEWEST_CELLS = 8
"""Fewest cells with a known best γ for an estimate."""

_COLUMNS = ["driver", "levels", "spread", "effect", "effect_low", "effect_high", "p_value"]
_RANDOM = {"architecture": "model", "task": "task"}
_FIXED = {"depth": ("depth", np.log2), "sample size": ("n_train", np.log10)}
_STEPS = {"depth": "doubling of the depth", "sample size": "tenfold of the samples"}


def drivers_table(optima: pd.DataFrame) -> pd.DataFrame:
    """The effect of each property of a cell on its best γ; no rows with too few cells.

    `spread`: standard deviation of log10 γ* over cells by the property, in decades ("unexplained"
    is the rest, including the uncertainty of each γ*). `effect`, with its 95 % interval and
    two-sided p-value: decades of γ* for each doubling of the depth or tenfold of the samples; NaN
    for architectures and tasks, which have no order. `levels`: number of different values.
    """
    known = optima[~optima["flat"].astype(bool) & optima["gamma_low"].notna()]
    fixed = [name for name, (column, _) in _FIXED.items() if known[column].nunique() > 1]
    random = [name for name, column in _RANDOM.items() if known[column].nunique() > 1]
    if len(known) < FEWEST_CELLS or not (fixed or random):
        return pd.DataFrame(columns=_COLUMNS)
    return pd.DataFrame(_fit(known, fixed, random), columns=_COLUMNS)


def _fit(known: pd.DataFrame, fixed: Sequence[str], random: Sequence[str]) -> list[dict[str, Any]]:
    y = np.log10(known["gamma_best"].to_numpy(dtype=float))
    slopes = [_FIXED[name][1](known[_FIXED[name][0]].to_numpy(dtype=float)) for name in fixed]
    design = np.column_stack([np.ones(len(y)), *slopes])
    levels = {name: sorted(known[_RANDOM[name]].unique()) for name in random}
    members = {
        name: (known[_RANDOM[name]].to_numpy()[:, None] == np.array(found)).astype(float)
        for name, found in levels.items()
    }
    effects, errors, spreads, left = _mixed_model(y, design, levels, members)
    dof = degrees_of_freedom(len(y), design.shape[1], [len(found) for found in levels.values()])
    reach = -float(stdtrit(dof, 0.025))
    rows: list[dict[str, Any]] = [
        {"driver": name, "levels": len(levels[name]), "spread": spread, "effect": np.nan}
        for name, spread in zip(random, spreads, strict=True)
    ]
    rows += [
        {
            "driver": name,
            "levels": known[_FIXED[name][0]].nunique(),
            "spread": abs(effect) * float(np.std(slope)),
            "effect": effect,
            "effect_low": effect - reach * error,
            "effect_high": effect + reach * error,
            "p_value": 2 * float(stdtr(dof, -abs(effect) / error)),
        }
        for name, slope, effect, error in zip(fixed, slopes, effects[1:], errors[1:], strict=True)
    ]
    rows.sort(key=lambda row: -row["spread"])
    return [*rows, {"driver": "unexplained", "levels": len(known), "spread": left}]


def degrees_of_freedom(cells: int, fixed: int, levels: Sequence[int]) -> int:
    """Degrees of freedom for the error of a slope, at least 1.

    Architectures and tasks count as fixed effects (the containment method; R. C. Littell et al.,
    SAS for Mixed Models, 2006, section 2.4.2): a normal quantile is too small for eight cells.

    Args:
        cells: number of cells.
        fixed: number of fixed effects, including the mean.
        levels: number of levels of each random effect.
    """
    return max(cells - fixed - sum(count - 1 for count in levels), 1)


def _mixed_model(
    y: Array, design: Array, levels: dict[str, list[str]], members: dict[str, Array]
) -> tuple[list[float], list[float], list[float], float]:
    """Fixed effects with errors, standard deviations of random effects, and the residual one."""
    # The import takes one to two seconds, and few tables have enough cells.
    from statsmodels.regression.linear_model import OLS
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    if not levels:
        least_squares = OLS(y, design).fit()
        return list(least_squares.params), list(least_squares.bse), [], least_squares.scale**0.5
    names = list(levels)
    parts = VCSpec(names, [[levels[n]] for n in names], [[members[n]] for n in names])
    with warnings.catch_warnings():
        # statsmodels reports a variance of zero, which is valid here, as a failure to converge.
        warnings.simplefilter("ignore")
        found = MixedLM(y, design, np.ones(len(y)), exog_vc=parts).fit(reml=True)
        spreads = np.sqrt(np.maximum(found.vcomp, 0.0)).tolist()
        return list(found.fe_params), list(found.bse_fe), spreads, found.scale**0.5


def drivers_sentence(drivers: pd.DataFrame) -> str:
    """The strongest effects on the best γ, in words."""
    if drivers.empty:
        return (
            f"No effect on the best γ is estimated: this needs {FEWEST_CELLS} cells with a curve"
            " that is not flat, of different architectures, tasks, depths or sample sizes."
        )
    left = float(drivers.loc[drivers["driver"] == "unexplained", "spread"].iloc[0])
    known = drivers[drivers["driver"] != "unexplained"]
    parts = [
        f"{row['driver']} by {short_text(row['spread'])} decades" for _, row in known.iterrows()
    ]
    parts += [
        f"each {_STEPS[row['driver']]} by {short_text(row['effect'])}"
        f" ({short_text(row['effect_low'])} to {short_text(row['effect_high'])})"
        for _, row in known[known["effect"].notna()].iterrows()
    ]
    return (
        f"The best γ moves with {'; '.join(parts)}; {short_text(left)} decades are left"
        " unexplained."
    )
