"""The figure of one cell as an SVG: points, curve and control with their bands, recommended γ.

It writes SVG directly: matplotlib needs a tenth of a second per figure, and a report may have a
hundred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.noise import Array
from lkm_tune.transfer.report.palette import BLUE, GREY, INK, ORANGE, PAPER, VERMILLION
from lkm_tune.transfer.wording import gamma_text

WIDTH, HEIGHT = 480.0, 320.0
"""Size of a figure, in its units."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 10.0, 26.0, 42.0
_LETTER = 7.0
"""Approximate width of a letter."""

_TALLEST = 1.3
_TICKS = 5
_MOST_TEXTS = 7


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
    """Scales of the axes and the parts drawn on them."""

    def __init__(self, curve: pd.DataFrame, answer: CellAnswer) -> None:
        self.answer = answer
        self.fitted = _arrays(curve, "fitted", "gamma", "error", "low", "high")
        self.measured = _arrays(curve, "measured", "gamma", "error", "aligned", "seed")
        self.diverged = _arrays(curve, "diverged", "gamma")["gamma"]
        self.control = _arrays(curve, "control", "error", "low", "high")
        gammas = curve["gamma"].to_numpy(dtype=float)
        gammas = gammas[gammas > 0]
        self.low, self.high = float(np.log10(gammas.min())), float(np.log10(gammas.max()))
        # γ = 0 is not on the log scale: it has a separate place next to the scale.
        self.zero = self.low - max(0.18 * (self.high - self.low), 0.3)
        self.bottom, self.top = self._error_range()

    def _error_range(self) -> tuple[float, float]:
        """Ends of the error axis. The axis cuts off errors far above the control and the best."""
        errors = self.measured["aligned"][~np.isnan(self.measured["aligned"])]
        if not len(errors):
            # No seed ran at more than one γ: the errors have no common level.
            errors = self.measured["error"]
        values = np.concatenate([errors, self.fitted["low"], self.fitted["high"]])
        values = values[~np.isnan(values)]
        levels = [self.answer.error, self.answer.control_error]
        ceiling = _TALLEST * max((level for level in levels if np.isfinite(level)), default=np.inf)
        bottom = max(float(values.min()), 0.9 * float(errors.min()))
        top = min(float(values.max()), float(ceiling))
        reach = max(top - bottom, 1e-3 * abs(top), 1e-12)
        return bottom - 0.05 * reach, top + 0.08 * reach

    def x(self, place: Array | float) -> Any:
        share = (np.asarray(place) - self.zero + 0.15) / (self.high - self.zero + 0.3)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, error: Array | float) -> Any:
        share = (np.asarray(error) - self.bottom) / (self.top - self.bottom)
        return HEIGHT - _BOTTOM - np.clip(share, -0.02, 1.0) * (HEIGHT - _BOTTOM - _TOP)

    def svg(self) -> str:
        parts = [*self._interval(), *self._control(), *self._curve(), *self._points()]
        parts += [*self._beyond(), *self._divergence(), *self._axes(), *self._control_name()]
        parts += self._recommended()
        return (
            f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family="sans-serif" font-size="13"'
            ' aria-hidden="true">' + "".join(parts) + "</svg>"
        )

    def _interval(self) -> list[str]:
        answer, floor = self.answer, HEIGHT - _BOTTOM
        if not np.isfinite(answer.gamma_low):
            return []
        left, right = self.x(np.log10([answer.gamma_low, answer.gamma_high])).tolist()
        # A single best point needs a visible strip, too.
        left, right = min(left, (left + right) / 2 - 1.5), max(right, (left + right) / 2 + 1.5)
        return [
            f'<rect x="{left:.1f}" y="{_TOP:g}" width="{right - left:.1f}"'
            f' height="{floor - _TOP:g}" fill="{ORANGE}" fill-opacity="0.2"/>'
        ]

    def _recommended(self) -> list[str]:
        """The recommended γ with its name, above the axes."""
        gamma = self.answer.recommended
        x = float(self.x(np.log10(gamma) if gamma > 0 else self.zero))
        text = f"γ = {gamma_text(gamma)}"
        half = _LETTER * len(text) / 2
        middle = min(max(x, half), WIDTH - half)
        return [
            _line(x, _TOP, x, HEIGHT - _BOTTOM, ORANGE, 2),
            f'<path d="M{x - 5:.1f} {_TOP - 6:g}h10l-5 7z" fill="{ORANGE}"/>',
            _text(middle, _TOP - 11, text, "middle", INK),
        ]

    def _control(self) -> list[str]:
        level = self.answer.control_error
        if not np.isfinite(level):
            return []
        out, wide = [], WIDTH - _RIGHT - _LEFT
        for low, high in zip(self.control["low"], self.control["high"], strict=True):
            if np.isfinite(high):
                top, floor = float(self.y(high)), float(self.y(low))
                out.append(
                    f'<rect x="{_LEFT:g}" y="{top:.1f}" width="{wide:g}"'
                    f' height="{floor - top:.1f}" fill="{GREY}" fill-opacity="0.18"/>'
                )
        y = float(self.y(level))
        return [*out, _line(_LEFT, y, WIDTH - _RIGHT, y, GREY, 1.2, "5 3")]

    def _control_name(self) -> list[str]:
        """The name of the control, drawn last, over the points."""
        level = self.answer.control_error
        if not np.isfinite(level):
            return []
        return [_inside(WIDTH - _RIGHT, float(self.y(level)) - 4, "γ = 0", INK)]

    def _curve(self) -> list[str]:
        if not len(self.fitted["gamma"]):
            return []
        x = self.x(np.log10(self.fitted["gamma"]))
        low, high = self.fitted["low"], self.fitted["high"]
        out = []
        if not np.isnan([low, high]).any():
            low, high = self.y(low), self.y(high)
            outline = _path(np.r_[x, x[::-1]], np.r_[low, high[::-1]])
            out.append(f'<polygon points="{outline}" fill="{BLUE}" fill-opacity="0.18"/>')
        line = _path(x, self.y(self.fitted["error"]))
        out.append(f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="1.8"/>')
        return out

    def _points(self) -> list[str]:
        shown = self.measured["aligned"] <= self.top
        gamma, error, aligned, seed = (values[shown] for values in self.measured.values())
        place = np.where(gamma > 0, np.log10(np.where(gamma > 0, gamma, 1.0)), self.zero)
        spots = zip(
            self.x(place).tolist(), self.y(aligned).tolist(),
            seed.tolist(), gamma.tolist(), error.tolist(), strict=True,
        )  # fmt: skip
        return [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{PAPER}" stroke="{INK}"'
            f' stroke-width="1"><title>seed {int(seed)}, γ = {g:g}: {error:.4g}</title></circle>'
            for x, y, seed, g, error in spots
        ]

    def _beyond(self) -> list[str]:
        beyond = self.measured["aligned"] > self.top
        if not beyond.any():
            return []
        gamma = self.measured["gamma"][beyond]
        places = np.log10(np.unique(gamma[gamma > 0]))
        x = self.x(places if len(places) else np.array([self.zero])).tolist()
        marks = [f'<path d="M{a - 3:.1f} {_TOP + 11:g}h6l-3 -6z" fill="{INK}"/>' for a in x]
        text = f"up to {self.measured['aligned'][beyond].max():.3g}"
        return [*marks, _inside(min(x) - 6, _TOP + 13, text, INK)]

    def _divergence(self) -> list[str]:
        if not len(self.diverged):
            return []
        x = self.x(np.log10(self.diverged)).tolist()
        marks = [
            f'<path d="M{a - 3:.1f} {_TOP + 20:g}l6 6m0 -6l-6 6" stroke="{VERMILLION}"'
            ' stroke-width="1.6"/>'
            for a in x
        ]
        return [*marks, _inside(min(x) - 6, _TOP + 28, "diverges", VERMILLION)]

    def _axes(self) -> list[str]:
        floor, answer = HEIGHT - _BOTTOM, self.answer
        out = [
            _line(_LEFT, _TOP, _LEFT, floor, INK, 0.8),
            _line(_LEFT, floor, WIDTH - _RIGHT, floor, INK, 0.8),
            _text(float(self.x(self.zero)), floor + 17, "0", "middle", INK),
            _text(float(self.x((self.zero + self.low) / 2)), floor + 4, "//", "middle", INK),
            _text((_LEFT + WIDTH) / 2, HEIGHT - 6, "γ", "middle", INK),
        ]
        decades = np.arange(np.ceil(self.low - 1e-9), np.floor(self.high + 1e-9) + 1)
        shown = decades[:: int(np.ceil(len(decades) / _MOST_TEXTS))]
        for decade, x in zip(shown.tolist(), self.x(shown).tolist(), strict=True):
            out.append(_text(x, floor + 17, f"{10**decade:g}", "middle", INK))
        for value in _round_ticks(self.bottom, self.top):
            y = float(self.y(value))
            out += [
                _line(_LEFT - 3, y, _LEFT, y, INK, 0.8),
                _text(_LEFT - 5, y + 4.5, f"{value:g}", "end", INK),
            ]
        kind = "test error" if answer.outcome == "test_error" else "validation error"
        label = f"{kind} / {answer.unit}" if answer.unit else kind
        middle = (_TOP + floor) / 2
        out.append(
            f'<text transform="translate(13 {middle:g}) rotate(-90)" text-anchor="middle"'
            f' fill="{INK}">{escape(label)}</text>'
        )
        return out


def _round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers within the range."""
    rough = (high - low) / _TICKS
    power = 10 ** np.floor(np.log10(rough))
    step = float(power * next(s for s in (1, 2, 5, 10) if s * power >= rough))
    first = np.ceil(low / step)
    return [float(f"{k * step:.6g}") for k in np.arange(first, np.floor(high / step) + 1)]


def _path(x: Array, y: Array) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dash: str = ""
) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        f' stroke-width="{width:g}"{dashes}/>'
    )


def _inside(x: float, y: float, text: str, colour: str) -> str:
    """A text that ends at x, readable over points and curves by a white border."""
    halo = f'<g stroke="{PAPER}" stroke-width="3" paint-order="stroke">'
    return f"{halo}{_text(x, y, text, 'end', colour)}</g>"


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
