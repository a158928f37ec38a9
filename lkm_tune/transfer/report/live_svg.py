"""The figure of one cell while its study runs: its ended runs, and the level at each γ.

It has no fitted curve: a page must not analyse. The report has the fitted curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lkm_tune.transfer.report.axes import TALLEST, Array, Axes, path, svg
from lkm_tune.transfer.report.palette import BLUE


@dataclass(frozen=True)
class Advice:
    """The answer of a report for one cell.

    Attributes:
        recommended: the recommended γ.
        low: the lowest γ that may be the best; None if unknown.
        high: the highest such γ.
    """

    recommended: float
    low: float | None
    high: float | None


def live_svg(
    planned: Sequence[float],
    runs: Sequence[tuple[float, int, float]],
    diverged: Sequence[float],
    label: str,
    advice: Advice | None = None,
) -> str:
    """The SVG of a cell; "" without a run that has an error.

    Args:
        planned: the γ of the plan, which give the range of the axis; one is above 0.
        runs: γ, seed and error of each complete run.
        diverged: the γ at which training diverges.
        label: the name of the error with its unit.
        advice: the answer of the last report, if there is one.
    """
    if not runs:
        return ""
    gamma, seed, error = (np.array(values, dtype=float) for values in zip(*runs, strict=True))
    steps, height = np.unique(gamma), _aligned(gamma, seed, error)
    levels = _levels(gamma, height)
    control = float(levels[0]) if steps[0] == 0 else None
    # Errors far above the control and the best would flatten the curve.
    ceiling = TALLEST * max(float(levels.min()), control or 0.0)
    every = np.unique(np.array([*planned, *steps, *diverged]))
    top = min(float(height.max()), ceiling)
    axes = Axes(every[every > 0], (float(height.min()), top), label)
    parts: list[str] = []
    if advice and advice.low is not None and advice.high is not None:
        parts += axes.interval(advice.low, advice.high)
    if control is not None:
        parts += axes.control(control)
    above = steps > 0
    if above.any():
        points = path(axes.of_gamma(steps[above]), axes.y(levels[above]))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{BLUE}" stroke-width="1.8"/>'
        )
    shown = height <= axes.top
    parts += axes.points(gamma[shown], height[shown], seed[shown].tolist(), error[shown])
    if not shown.all():
        parts += axes.beyond(gamma[~shown], float(height.max()))
    if len(diverged):
        parts += axes.divergence(np.unique(np.array(diverged)))
    parts += axes.drawn()
    if control is not None:
        parts += axes.control_name(control)
    return svg([*parts, *(axes.recommended(advice.recommended) if advice else [])])


def _levels(gamma: Array, error: Array) -> Array:
    """The geometric mean of the errors at each γ, by rising γ, as in the report."""
    log = np.log(np.maximum(error, np.finfo(float).tiny))
    return np.array([np.exp(log[gamma == step].mean()) for step in np.unique(gamma)])


def _aligned(gamma: Array, seed: Array, error: Array) -> Array:
    """The errors with each seed shifted to the common level.

    A seed often has a higher error at every γ. Its level is its mean distance, in logarithms, from
    the geometric means.
    """
    usual = _levels(gamma, error)[np.searchsorted(np.unique(gamma), gamma)]
    if not (error > 0).all():
        return error
    off = np.log(error / usual)
    level = {one: off[seed == one].mean() for one in np.unique(seed)}
    return error / np.exp([level[one] for one in seed])
