"""The regret of every pair of cells as a heatmap in SVG, and the short names of cells.

Drawn directly, one path a colour: a hundred cells make ten thousand pairs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.report.palette import INK, VERMILLION, ramp

MARKS = {NOTHING: "○", TRANSFERS: "✓", DOES_NOT: "✗", UNDECIDED: "?"}
"""The sign of each verdict in the matrix."""

DRAWN_SMALL = {TRANSFERS: "●", DOES_NOT: "×", f"{NOTHING}, or {UNDECIDED}": "no sign:"}
"""The same in a matrix of many cells."""

_DARKEST = 0.10
_SHADES = 20
_MOST_WITH_TEXT = 14
"""In larger matrices the numbers would not be legible; the table below has them."""

_SIDE, _SMALLEST = 46.0, 560.0
_LETTER = 5.6
_LABELS = 8.0


def key(cells: int) -> dict[str, str]:
    """What the signs in the matrix of so many cells say, by what they stand for."""
    return DRAWN_SMALL if cells > _MOST_WITH_TEXT else MARKS


def matrix_svg(regret: pd.DataFrame, names: Mapping[tuple[Any, ...], str]) -> str:
    """SVG of the regret matrix: rows lend their γ, columns use it.

    Args:
        regret: the regret table.
        names: short label of each cell, in the order of rows and columns.
    """
    small = len(names) > _MOST_WITH_TEXT
    side = _SMALLEST / len(names) if small else _SIDE
    size = min(10.0, 0.95 * side) if small else 10.0
    margin = 30 + max(len(name) for name in names.values()) * _LETTER * size / 10
    extent = side * len(names)
    place = {key: i for i, key in enumerate(names)}
    shades: dict[int, list[str]] = defaultdict(list)
    marks: list[str] = []
    for source, target, value, verdict in zip(
        *(regret[name] for name in ("source", "target", "regret", "verdict")), strict=True
    ):
        x, y = margin + side * place[target], _LABELS + side * place[source]
        shade = _shade(value)
        if shade is not None:
            shades[shade].append(f"M{x:.1f} {y:.1f}h{side:.1f}v{side:.1f}h-{side:.1f}z")
        if not small:
            marks += _cell_text(x + side / 2, y + side / 2, value, verdict)
        elif verdict in (TRANSFERS, DOES_NOT):
            marks.append(_dot(x + side / 2, y + side / 2, side, verdict))
    edge = "#fff" if not small else "none"
    parts = [
        f'<path d="{"".join(paths)}" fill="{ramp(shade / (_SHADES - 1))}" stroke="{edge}"/>'
        for shade, paths in sorted(shades.items())
    ]
    parts += [*marks, *_labels(list(names.values()), side, size, margin, extent)]
    parts += _scale(margin + extent + 14, extent)
    width, height = margin + extent + 70, _LABELS + extent + margin
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="10">'
        + "".join(parts)
        + "</svg>"
    )


def _shade(value: float) -> int | None:
    if np.isnan(value):
        return None
    return int(min(value / _DARKEST, 1.0) * (_SHADES - 1) + 0.5)


def _cell_text(x: float, y: float, value: float, verdict: str) -> list[str]:
    dark = value > 0.55 * _DARKEST
    colour = "#fff" if dark else "#000"
    text = "diverges" if np.isinf(value) else "" if np.isnan(value) else f"{100 * value:.1f} %"
    return [
        f'<text x="{x:.1f}" y="{y - 2:.1f}" text-anchor="middle" fill="{colour}">'
        f"{MARKS[verdict]}</text>",
        f'<text x="{x:.1f}" y="{y + 11:.1f}" text-anchor="middle" fill="{colour}">{text}</text>',
    ]


def _dot(x: float, y: float, side: float, verdict: str) -> str:
    """What is decided gets a mark: a dot transfers, a cross does not."""
    reach = side / 5
    if verdict == TRANSFERS:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{reach:.1f}" fill="#000"/>'
    return (
        f'<path d="M{x - reach:.1f} {y - reach:.1f}l{2 * reach:.1f} {2 * reach:.1f}'
        f'm0 -{2 * reach:.1f}l-{2 * reach:.1f} {2 * reach:.1f}" stroke="{VERMILLION}"/>'
    )


def _labels(names: list[str], side: float, size: float, margin: float, extent: float) -> list[str]:
    out = []
    for i, name in enumerate(names):
        middle = side * (i + 0.5)
        text = escape(name)
        out.append(
            f'<text x="{margin - 5:.1f}" y="{_LABELS + middle + size / 3:.1f}" fill="{INK}"'
            f' text-anchor="end" font-size="{size:.1f}">{text}</text>'
        )
        turned = f"translate({margin + middle + size / 3:.1f} {_LABELS + extent + 6:.1f})"
        out.append(
            f'<text transform="{turned} rotate(-60)" fill="{INK}" text-anchor="end"'
            f' font-size="{size:.1f}">{text}</text>'
        )
        if len(names) <= _MOST_WITH_TEXT:
            out.append(
                f'<text x="{margin + middle:.1f}" y="{_LABELS + middle + 3:.1f}"'
                f' text-anchor="middle" fill="{INK}">–</text>'
            )
    centre = _LABELS + extent / 2
    return [
        *out,
        f'<text transform="translate(11 {centre:.1f}) rotate(-90)" text-anchor="middle"'
        f' fill="{INK}">γ taken from</text>',
        f'<text x="{margin + extent / 2:.1f}" y="{_LABELS + extent + margin - 3:.1f}"'
        f' text-anchor="middle" fill="{INK}">used in</text>',
    ]


def _scale(x: float, extent: float) -> list[str]:
    """The colour bar, lowest regret at the bottom."""
    high = min(extent, 160.0)
    step = high / _SHADES
    out = [
        f'<rect x="{x:.1f}" y="{_LABELS + high - (k + 1) * step:.1f}" width="12"'
        f' height="{step + 0.3:.1f}" fill="{ramp(k / (_SHADES - 1))}"/>'
        for k in range(_SHADES)
    ]
    for share, text in ((0.0, "0 %"), (0.5, "5 %"), (1.0, "≥ 10 %")):
        y = _LABELS + high * (1 - share) + 3
        out.append(f'<text x="{x + 15:.1f}" y="{y:.1f}" fill="{INK}">{text}</text>')
    return out


def short_names(names: Mapping[CellKey, str]) -> dict[tuple[Any, ...], str]:
    """Labels of cells that leave out what all cells share (at least the model stays).

    Args:
        names: the name of each cell for people, which stands where cells differ in their protocol
            alone.
    """
    units = ("{}", "{}", "depth {}", "n {}")
    differ = [i for i in range(4) if len({key[i] for key in names}) > 1] or [0]
    short = {key: ", ".join(units[i].format(key[i]) for i in differ) for key in names}
    count = Counter(short.values())
    return {tuple(key): text if count[text] == 1 else names[key] for key, text in short.items()}
