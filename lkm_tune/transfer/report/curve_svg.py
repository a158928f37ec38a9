"""The figure of one cell as an SVG: points, curve and control with their bands, recommended γ.

It writes SVG directly: matplotlib needs a tenth of a second per figure, and a report may have a
hundred.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.report.axes import LEFT, RIGHT, TALLEST, WIDTH, Axes, path, svg
from lkm_tune.transfer.report.palette import BLUE, GREY


def curve_svg(curve: pd.DataFrame, answer: CellAnswer) -> str:
    """SVG of one cell.

    Args:
        curve: the cell's rows of the curves table.
        answer: the cell's answer.
    """
    return _Drawing(curve, answer).svg()


def _arrays(curve: pd.DataFrame, kind: str, *names: str) -> dict[str, Array]:
    """Columns of the rows of one kind, as arrays for speed."""
    chosen = (curve["kind"] == kind).to_numpy()
    return {name: curve[name].to_numpy(dtype=float)[chosen] for name in names}


class _Drawing:
    """The parts drawn on the axes."""

    def __init__(self, curve: pd.DataFrame, answer: CellAnswer) -> None:
        self.answer = answer
        self.fitted = _arrays(curve, "fitted", "gamma", "error", "low", "high")
        self.measured = _arrays(curve, "measured", "gamma", "error", "aligned", "seed")
        self.diverged = _arrays(curve, "diverged", "gamma")["gamma"]
        self.bands = _arrays(curve, "control", "error", "low", "high")
        gammas = curve["gamma"].to_numpy(dtype=float)
        kind = "test error" if answer.outcome == "test_error" else "validation error"
        label = f"{kind} / {answer.unit}" if answer.unit else kind
        self.axes = Axes(gammas[gammas > 0], self._error_range(), label)

    def _error_range(self) -> tuple[float, float]:
        """The axis cuts off errors far above the control and the best."""
        errors = self.measured["aligned"][~np.isnan(self.measured["aligned"])]
        if not len(errors):
            # No seed ran at more than one γ: the errors have no common level.
            errors = self.measured["error"]
        values = np.concatenate([errors, self.fitted["low"], self.fitted["high"]])
        values = values[~np.isnan(values)]
        levels = [self.answer.error, self.answer.control_error]
        ceiling = TALLEST * max((level for level in levels if np.isfinite(level)), default=np.inf)
        bottom = max(float(values.min()), 0.9 * float(errors.min()))
        return bottom, min(float(values.max()), float(ceiling))

    def svg(self) -> str:
        axes, answer, level = self.axes, self.answer, self.answer.control_error
        controlled = bool(np.isfinite(level))
        parts: list[str] = []
        parts += self._interval()
        if controlled:
            parts += [*self._control_bands(), *axes.control(level)]
        parts += [*self._curve(), *self._points()]
        if len(self.diverged):
            parts += axes.divergence(self.diverged)
        parts += axes.drawn()
        if controlled:
            parts += axes.control_name(level)
        return svg([*parts, *axes.recommended(answer.recommended)])

    def _interval(self) -> list[str]:
        """The strip of the γ that may be the best; none where every such γ is worse than γ = 0."""
        low, high = self.answer.gamma_low, self.answer.gamma_high
        if not np.isfinite(low):
            return []
        gammas, level = self.fitted["gamma"], self.answer.control_error
        inside = (gammas >= low * (1 - 1e-9)) & (gammas <= high * (1 + 1e-9))
        kept = gammas[inside & ~(self.fitted["low"] > level)]
        return self.axes.interval(float(kept.min()), float(kept.max())) if len(kept) else []

    def _control_bands(self) -> list[str]:
        out, wide = [], WIDTH - RIGHT - LEFT
        for low, high in zip(self.bands["low"], self.bands["high"], strict=True):
            if np.isfinite(high):
                top, floor = float(self.axes.y(high)), float(self.axes.y(low))
                out.append(
                    f'<rect x="{LEFT:g}" y="{top:.1f}" width="{wide:g}"'
                    f' height="{floor - top:.1f}" fill="{GREY}" fill-opacity="0.18"/>'
                )
        return out

    def _curve(self) -> list[str]:
        if not len(self.fitted["gamma"]):
            return []
        x = self.axes.x(np.log10(self.fitted["gamma"]))
        low, high = self.fitted["low"], self.fitted["high"]
        out = []
        if not np.isnan([low, high]).any():
            low, high = self.axes.y(low), self.axes.y(high)
            outline = path(np.r_[x, x[::-1]], np.r_[low, high[::-1]])
            out.append(f'<polygon points="{outline}" fill="{BLUE}" fill-opacity="0.18"/>')
        line = path(x, self.axes.y(self.fitted["error"]))
        out.append(f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="1.8"/>')
        return out

    def _points(self) -> list[str]:
        aligned = self.measured["aligned"]
        shown, beyond = aligned <= self.axes.top, aligned > self.axes.top
        gamma, error, height, seed = (values[shown] for values in self.measured.values())
        out = self.axes.points(gamma, height, seed.tolist(), error)
        if beyond.any():
            out += self.axes.beyond(self.measured["gamma"][beyond], float(aligned[beyond].max()))
        return out
