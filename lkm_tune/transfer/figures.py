"""The figures of a report as small inline SVG: one curve a cell, and the regret matrix."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from lkm_tune.transfer.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED

# Okabe & Ito's palette, told apart with any colour vision (jfly.uni-koeln.de/color, 2008).
BLUE, ORANGE, GREEN, VERMILLION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6b6b6b"
_SEED_MARKERS = "osD^vP*X<>"

MARKS = {NOTHING: "○", TRANSFERS: "✓", DOES_NOT: "✗", UNDECIDED: "?"}
"""The sign of each verdict in the regret matrix."""

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DARKEST_REGRET = 0.10
_TALLEST = 1.3


def curve_figure(curve: pd.DataFrame, optimum: Mapping[Any, Any]) -> str:
    """SVG of one cell: measured points, fitted curve with band, interval of γ, control level.

    Args:
        curve: the cell's rows of the curves table.
        optimum: the cell's row of the optima table.
    """
    with matplotlib.rc_context(_style(str(optimum))):
        figure = Figure(figsize=(4.4, 3.0), layout="constrained")
        axes = figure.add_subplot()
        zero = _draw_control(axes, curve, optimum)
        _draw_curve(axes, curve, optimum)
        _draw_points(axes, curve, zero)
        _label(axes, curve, optimum, zero)
        return _svg(figure)


def regret_figure(regret: pd.DataFrame, names: Mapping[tuple[Any, ...], str]) -> str:
    """SVG of the regret matrix: rows lend their γ, columns use it.

    Args:
        regret: the regret table.
        names: short label of each cell, in the order of rows and columns.
    """
    keys = list(names)
    values = np.full((len(keys), len(keys)), np.nan)
    verdicts = {}
    for row in regret.to_dict("records"):
        place = keys.index(row["source"]), keys.index(row["target"])
        values[place], verdicts[place] = row["regret"], row["verdict"]
    side = max(1.9 + 0.62 * len(keys), 3.4)
    with matplotlib.rc_context(_style("regret" + repr(keys))):
        figure = Figure(figsize=(side + 0.9, side), layout="constrained")
        axes = figure.add_subplot()
        shown = np.ma.masked_invalid(np.minimum(values, _DARKEST_REGRET))
        # With more than 50 colours the colour bar would be a picture inside the SVG.
        mesh = axes.pcolormesh(
            shown,
            cmap=matplotlib.colormaps["cividis_r"].resampled(20),
            norm=Normalize(0, _DARKEST_REGRET),
            edgecolors="white",
        )
        for (i, j), value in np.ndenumerate(values):
            text = "–" if i == j else f"{MARKS[verdicts[i, j]]}\n{_short_percent(value)}"
            dark = np.isfinite(value) and value > 0.55 * _DARKEST_REGRET
            axes.text(
                j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=8,
                color="white" if dark else "black",
            )  # fmt: skip
        _label_matrix(axes, list(names.values()))
        bar = figure.colorbar(mesh, ax=axes, shrink=0.7, extend="max")
        bar.set_ticks([0, 0.05, 0.10], labels=["0 %", "5 %", "10 %"])
        bar.set_label("regret")
        return _svg(figure)


def _label_matrix(axes: Axes, names: list[str]) -> None:
    middle = np.arange(len(names)) + 0.5
    axes.set_xticks(middle, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(middle, names)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xlabel("used in")
    axes.set_ylabel("γ taken from")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_control(axes: Axes, curve: pd.DataFrame, optimum: Mapping[Any, Any]) -> float:
    """The level of γ = 0, and where on the log axis its own place is."""
    gammas = curve["gamma"][curve["gamma"] > 0]
    low, high = np.log10(gammas.min()), np.log10(gammas.max())
    zero = float(low - max(0.18 * (high - low), 0.3))
    level = optimum["control_error"]
    if np.isfinite(level):
        axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (5, 3)), zorder=1)
        axes.annotate(
            "γ = 0", (1.0, level), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=7.5, color=GREY,
        )  # fmt: skip
    return zero


def _draw_curve(axes: Axes, curve: pd.DataFrame, optimum: Mapping[Any, Any]) -> None:
    fitted = curve[curve["kind"] == "fitted"]
    x = np.log10(fitted["gamma"].to_numpy(dtype=float))
    low, high = optimum["gamma_low"], optimum["gamma_high"]
    if np.isfinite(low):
        # A single best point still deserves a visible strip.
        reach = max(np.log10(high / low) / 2, 0.01)
        centre = np.log10(low * high) / 2
        axes.axvspan(centre - reach, centre + reach, color=ORANGE, alpha=0.22, linewidth=0)
    axes.plot(x, fitted["error"].to_numpy(dtype=float), color=BLUE, linewidth=1.8, zorder=3)
    band = fitted[["low", "high"]].to_numpy(dtype=float)
    axes.fill_between(x, band[:, 0], band[:, 1], color=BLUE, alpha=0.18, linewidth=0, zorder=2)
    if not optimum["flat"]:
        axes.axvline(np.log10(optimum["gamma_best"]), color=ORANGE, linewidth=1.4, zorder=2)


def _draw_points(axes: Axes, curve: pd.DataFrame, zero: float) -> None:
    measured = curve[curve["kind"] == "measured"]
    for index, (_, rows) in enumerate(measured.groupby(["study", "seed"])):
        gamma = rows["gamma"].to_numpy(dtype=float)
        x = np.where(gamma > 0, np.log10(np.where(gamma > 0, gamma, 1.0)), zero)
        axes.plot(
            x, rows["aligned"].to_numpy(dtype=float), _SEED_MARKERS[index % len(_SEED_MARKERS)],
            markersize=3.6, markerfacecolor="white", markeredgecolor="#333333",
            markeredgewidth=0.8, zorder=4,
        )  # fmt: skip
    diverged = np.log10(curve.loc[curve["kind"] == "diverged", "gamma"].to_numpy(dtype=float))
    if len(diverged):
        top = axes.get_xaxis_transform()
        axes.plot(
            diverged, np.full(len(diverged), 0.93), "x", transform=top, color=VERMILLION,
            markersize=6, markeredgewidth=1.6, zorder=4,
        )  # fmt: skip
        axes.annotate(
            "diverges", (float(diverged.min()), 0.93), xycoords=top, xytext=(-6, 0),
            textcoords="offset points", ha="right", va="center", fontsize=7.5, color=VERMILLION,
        )  # fmt: skip


def _label(axes: Axes, curve: pd.DataFrame, optimum: Mapping[Any, Any], zero: float) -> None:
    gammas = curve["gamma"][curve["gamma"] > 0]
    low, high = np.log10(gammas.min()), np.log10(gammas.max())
    decades = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    axes.set_xlim(zero - 0.15, high + 0.15)
    axes.xaxis.set_major_locator(FixedLocator([zero, *decades]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", *(f"{10**d:g}" for d in decades)]))
    axes.xaxis.set_minor_locator(NullLocator())
    # The axis is broken between 0 and the smallest γ: the control is not on the log scale.
    axes.annotate(
        "//", ((zero + low) / 2, 0), xycoords=axes.get_xaxis_transform(), ha="center",
        va="center", fontsize=8, bbox=_paper(),
    )  # fmt: skip
    axes.set_xlabel("γ")
    kind = "test error" if optimum["error"] == "test_error" else "validation error"
    axes.set_ylabel(f"{kind} / {optimum['unit']}" if optimum["unit"] else kind)
    _cut_off_cliff(axes, curve, optimum)


def _cut_off_cliff(axes: Axes, curve: pd.DataFrame, optimum: Mapping[Any, Any]) -> None:
    """End the error axis above the best and the control, so that a cliff leaves them legible."""
    measured = curve[curve["kind"] == "measured"]
    errors = measured["aligned"].to_numpy(dtype=float)
    ceiling = _TALLEST * np.nanmax([optimum["best_error"], optimum["control_error"]])
    beyond = measured[(errors > ceiling) & (measured["gamma"] > 0)]
    if beyond.empty:
        return
    bottom = min(axes.get_ylim()[0], 0.97 * errors.min())
    axes.set_ylim(max(bottom, 0.94 * errors.min()), ceiling)
    x = np.log10(beyond["gamma"].unique())
    top = axes.get_xaxis_transform()
    axes.plot(x, np.full(len(x), 0.97), "^", transform=top, color="#333333", markersize=5)
    axes.annotate(
        f"up to {beyond['aligned'].max():.3g}", (float(x.min()), 0.97), xycoords=top,
        xytext=(-22, 0), textcoords="offset points", ha="right", va="center", fontsize=7.5,
        bbox=_paper(),
    )  # fmt: skip


def _short_percent(value: float) -> str:
    if np.isinf(value):
        return "diverges"
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def _paper() -> dict[str, Any]:
    """A patch that keeps what lies under a text from crossing it."""
    return {"facecolor": "white", "edgecolor": "none", "pad": 0.8}


def _style(salt: str) -> Any:
    # Ids inside an SVG come from the salt: the same everywhere, yet different within one page.
    return {**_STYLE, "svg.hashsalt": salt}


def _svg(figure: Figure) -> str:
    """The figure as an `<svg>` element that stands in HTML: no prolog, no outside names."""
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"| version="1.1"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return text.replace("xlink:href", "href").strip()


def short_names(keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """Labels of cells that leave out what all cells share (at least the model stays)."""
    units = ("", "", "depth {}", "n {}")
    differ = [i for i in range(4) if len({key[i] for key in keys}) > 1] or [0]
    return {
        tuple(key): ", ".join((units[i] or "{}").format(key[i]) for i in differ) for key in keys
    }
