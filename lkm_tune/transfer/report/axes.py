"""The axes of a figure of one cell: the error against γ on a log scale, with a place for γ = 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import escape

from lkm_tune.transfer.report.palette import GREY, INK, ORANGE, PAPER, VERMILLION
from lkm_tune.transfer.wording import gamma_text

Array = npt.NDArray[np.float64]

WIDTH, HEIGHT = 480.0, 320.0
"""Size of a figure, in its units."""

LEFT, RIGHT, TOP, BOTTOM = 66.0, 10.0, 26.0, 42.0
"""Margins of the axes."""

TALLEST = 1.3
"""The axis cuts off errors this many times above the control and the best."""

_LETTER = 7.0
"""Approximate width of a letter."""

_TICKS = 5
_MOST_TEXTS = 7


class Axes:
    """Scales of the axes, and the parts that every figure draws on them."""

    def __init__(self, gammas: Array, errors: tuple[float, float], label: str) -> None:
        """Takes the extent of the axes.

        Args:
            gammas: the γ above 0 of the figure.
            errors: the lowest and the highest error.
            label: the name of the error with its unit.
        """
        self.low, self.high = float(np.log10(gammas.min())), float(np.log10(gammas.max()))
        # γ = 0 is not on the log scale: it has a separate place next to the scale.
        self.zero = self.low - max(0.18 * (self.high - self.low), 0.3)
        low, high = errors
        reach = max(high - low, 1e-3 * abs(high), 1e-12)
        self.bottom, self.top = low - 0.05 * reach, high + 0.08 * reach
        self.label = label

    def x(self, place: Array | float) -> Any:
        """The horizontal place of log10 γ, or of `zero`."""
        share = (np.asarray(place) - self.zero + 0.15) / (self.high - self.zero + 0.3)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def of_gamma(self, gammas: Array) -> Any:
        """The horizontal places of γ, also of γ = 0."""
        place = np.where(gammas > 0, np.log10(np.where(gammas > 0, gammas, 1.0)), self.zero)
        return self.x(place)

    def y(self, error: Array | float) -> Any:
        """The vertical place of an error."""
        share = (np.asarray(error) - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - np.clip(share, 0.0, 1.0) * (HEIGHT - BOTTOM - TOP)

    def drawn(self) -> list[str]:
        """The axes with ticks and labels."""
        floor = HEIGHT - BOTTOM
        out = [
            line(LEFT, TOP, LEFT, floor, INK, 0.8),
            line(LEFT, floor, WIDTH - RIGHT, floor, INK, 0.8),
            text(float(self.x(self.zero)), floor + 17, "0", "middle", INK),
            text(float(self.x((self.zero + self.low) / 2)), floor + 4, "//", "middle", INK),
            text((LEFT + WIDTH) / 2, HEIGHT - 6, "γ", "middle", INK),
        ]
        for gamma in _gamma_ticks(self.low, self.high):
            x = float(self.of_gamma(np.array(gamma)))
            out.append(text(x, floor + 17, f"{gamma:g}", "middle", INK))
        for value in _round_ticks(self.bottom, self.top):
            y = float(self.y(value))
            out += [
                line(LEFT - 3, y, LEFT, y, INK, 0.8),
                text(LEFT - 5, y + 4.5, f"{value:g}", "end", INK),
            ]
        middle = (TOP + floor) / 2
        out.append(
            f'<text transform="translate(13 {middle:g}) rotate(-90)" text-anchor="middle"'
            f' fill="{INK}">{escape(self.label)}</text>'
        )
        return out

    def points(self, gamma: Array, height: Array, seed: Sequence[int], error: Array) -> list[str]:
        """A circle for each run, at `height`; its title names the seed, γ and the error."""
        spots = zip(
            self.of_gamma(gamma).tolist(), self.y(height).tolist(), seed, gamma.tolist(),
            error.tolist(), strict=True,
        )  # fmt: skip
        return [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{PAPER}" stroke="{INK}"'
            f' stroke-width="1"><title>seed {int(n)}, γ = {g:g}: {value:.4g}</title></circle>'
            for x, y, n, g, value in spots
        ]

    def control(self, level: float) -> list[str]:
        """The dashed line at the error of γ = 0."""
        y = float(self.y(level))
        return [line(LEFT, y, WIDTH - RIGHT, y, GREY, 1.2, "5 3")]

    def control_name(self, level: float) -> list[str]:
        """The name of the control, drawn last, over the points."""
        return [inside(WIDTH - RIGHT, float(self.y(level)) - 4, "γ = 0", INK)]

    def interval(self, low: float, high: float) -> list[str]:
        """The strip of the γ that may be the best."""
        left, right = self.x(np.log10([low, high])).tolist()
        # A single best point needs a visible strip, too.
        left, right = min(left, (left + right) / 2 - 1.5), max(right, (left + right) / 2 + 1.5)
        return [
            f'<rect x="{left:.1f}" y="{TOP:g}" width="{right - left:.1f}"'
            f' height="{HEIGHT - BOTTOM - TOP:g}" fill="{ORANGE}" fill-opacity="0.2"/>'
        ]

    def recommended(self, gamma: float) -> list[str]:
        """The recommended γ with its name, above the axes."""
        x = float(self.x(np.log10(gamma) if gamma > 0 else self.zero))
        name = f"γ = {gamma_text(gamma)}"
        half = _LETTER * len(name) / 2
        middle = min(max(x, half), WIDTH - half)
        return [
            line(x, TOP, x, HEIGHT - BOTTOM, ORANGE, 2),
            f'<path d="M{x - 5:.1f} {TOP - 6:g}h10l-5 7z" fill="{ORANGE}"/>',
            text(middle, TOP - 11, name, "middle", INK),
        ]

    def beyond(self, gamma: Array, largest: float) -> list[str]:
        """Triangles at the γ with errors above the axis, with the largest error."""
        places = np.log10(np.unique(gamma[gamma > 0]))
        x = self.x(places if len(places) else np.array([self.zero])).tolist()
        marks = [f'<path d="M{a - 3:.1f} {TOP + 11:g}h6l-3 -6z" fill="{INK}"/>' for a in x]
        return [*marks, inside(min(x) - 6, TOP + 13, f"up to {largest:.3g}", INK)]

    def divergence(self, gamma: Array) -> list[str]:
        """Crosses at the γ at which training diverges."""
        x = self.of_gamma(gamma).tolist()
        marks = [
            f'<path d="M{a - 3:.1f} {TOP + 20:g}l6 6m0 -6l-6 6" stroke="{VERMILLION}"'
            ' stroke-width="1.6"/>'
            for a in x
        ]
        return [*marks, inside(min(x) - 6, TOP + 28, "diverges", VERMILLION)]


def svg(parts: Sequence[str]) -> str:
    """The figure of these parts."""
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family="sans-serif" font-size="13"'
        ' aria-hidden="true">' + "".join(parts) + "</svg>"
    )


def _gamma_ticks(low: float, high: float) -> list[float]:
    """γ of the ticks between two log10 γ: decades, or 1, 2 and 5 of a decade in a short range.

    A range without two of these has ticks at its ends.
    """
    for steps in ((1,), (1, 2, 5)):
        decades = range(math.floor(low), math.floor(high) + 1)
        found = [step * 10.0**decade for decade in decades for step in steps]
        found = [gamma for gamma in found if low - 1e-9 <= math.log10(gamma) <= high + 1e-9]
        if len(found) > 1:
            return found[:: math.ceil(len(found) / _MOST_TEXTS)]
    return [float(f"{10**end:.3g}") for end in dict.fromkeys((low, high))]


def _round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers within the range."""
    rough = (high - low) / _TICKS
    power = 10 ** np.floor(np.log10(rough))
    step = float(power * next(s for s in (1, 2, 5, 10) if s * power >= rough))
    first = np.ceil(low / step)
    return [float(f"{k * step:.6g}") for k in np.arange(first, np.floor(high / step) + 1)]


def path(x: Array, y: Array) -> str:
    """The points of a polygon or a polyline."""
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dash: str = ""
) -> str:
    """A straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        f' stroke-width="{width:g}"{dashes}/>'
    )


def inside(x: float, y: float, said: str, colour: str) -> str:
    """A text that ends at x, readable over points and curves by a white border."""
    halo = f'<g stroke="{PAPER}" stroke-width="3" paint-order="stroke">'
    return f"{halo}{text(x, y, said, 'end', colour)}</g>"


def text(x: float, y: float, said: str, anchor: str, colour: str) -> str:
    """A text at x, y."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(said)}</text>"
    )
