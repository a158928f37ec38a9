"""Pictures of the layers of several networks, such as networks with different γ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lkm_tune.diagnostics.environment import commonest
from lkm_tune.diagnostics.measure import Matrix
from lkm_tune.diagnostics.projection import Points

MOST_NAMES = 9
"""Readers cannot distinguish more colours."""

_OTHER = "#bbbbbb"


@dataclass(frozen=True, eq=False)
class Cloud:
    """The projected states of one network.

    Attributes:
        label: the name of the network, such as `γ = 0`.
        points: [L, N, 2] of `project`.
        kinds: the kind of colouring -> a name for each atom: `element` and `environment`, [N] each.
    """

    label: str
    points: Points
    kinds: Mapping[str, Sequence[str]]


def cka_figure(matrices: Mapping[str, Matrix]) -> Figure:
    """Layer × layer heatmaps of linear CKA, one for each label, on a common scale from 0 to 1."""
    figure = Figure(figsize=(3.3 * len(matrices) + 0.9, 3.7), layout="constrained")
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (label, matrix) in zip(panels, matrices.items(), strict=True):
        values = np.array(matrix)
        image = axes.imshow(values, vmin=0, vmax=1, cmap="viridis", origin="lower")
        ticks = range(len(values))
        axes.set_xticks(ticks, [str(j + 1) for j in ticks])
        axes.set_yticks(ticks, [str(j + 1) for j in ticks])
        axes.set_xlabel("layer")
        axes.set_title(label, fontsize=10)
        _write_values(axes, values)
    panels[0].set_ylabel("layer")
    figure.colorbar(image, ax=list(panels), label="linear CKA", shrink=0.8)
    return figure


def _write_values(axes: Axes, values: Any) -> None:
    size = 9 if len(values) <= 6 else 6
    for (row, column), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        text = f"{value:.2f}" if value == value else "–"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)


def projection_figure(clouds: Sequence[Cloud], method: str, what: str) -> Figure:
    """A row for each network; columns coloured by layer and by every kind of its atoms.

    Args:
        clouds: one cloud per network, all with the same kinds.
        method: the name of the projection.
        what: the origin of the atoms, for the title.

    Raises:
        ValueError: if there is no network.
    """
    if not clouds:
        raise ValueError("there must be networks to draw, got none")
    columns = ["layer", *clouds[0].kinds]
    figure = Figure(figsize=(3.6 * len(columns), 2.9 * len(clouds) + 1.5), layout="constrained")
    panels = figure.subplots(len(clouds), len(columns), squeeze=False)
    figure.suptitle(f"{method} of the states of {what}, all layers of a network in one map")
    for column, kind in enumerate(columns):
        names = [_names(cloud, kind) for cloud in clouds]
        colours = _colours(kind, names)
        for axes, cloud, own in zip(panels[:, column], clouds, names, strict=True):
            _scatter(axes, cloud.points.reshape(-1, 2), [colours[name] for name in own])
        panels[0, column].set_title(f"by {kind}", fontsize=10)
        _legend(panels[-1, column], colours)
    for axes, cloud in zip(panels[:, 0], clouds, strict=True):
        axes.set_ylabel(cloud.label, fontsize=10)
    return figure


def _names(cloud: Cloud, kind: str) -> list[str]:
    """The name of each point of a cloud, layer after layer."""
    n_layers, n_atoms, _ = cloud.points.shape
    if kind == "layer":
        return [str(j + 1) for j in range(n_layers) for _ in range(n_atoms)]
    names = commonest(cloud.kinds[kind], MOST_NAMES)
    return [name for _ in range(n_layers) for name in names]


def _colours(kind: str, names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """A colour for each name; layers are ordered, so they get a colour scale."""
    every = dict.fromkeys(name for own in names for name in own)
    if kind == "layer":
        ordered = sorted(every, key=int)
        scale = colormaps["viridis"](np.linspace(0, 0.95, len(ordered)))
        return dict(zip(ordered, scale, strict=True))
    ordered = sorted(name for name in every if name != "other")
    colours: dict[str, Any] = {name: f"C{i % 10}" for i, name in enumerate(ordered)}
    return colours | ({"other": _OTHER} if "other" in every else {})


def _scatter(axes: Axes, points: Points, colours: Sequence[Any]) -> None:
    # The order is random: otherwise the last layer would hide the others.
    order = np.random.default_rng(0).permutation(len(points))
    shown = [colours[i] for i in order]
    size = float(np.clip(4000 / len(points), 3, 30))
    axes.scatter(points[order, 0], points[order, 1], c=shown, s=size, alpha=0.7, linewidths=0)
    # Equal scales of both axes: PCA keeps distances, and collapsed states must look collapsed.
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])


def _legend(axes: Axes, colours: Mapping[str, Any]) -> None:
    marks = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=name)
        for name, colour in colours.items()
    ]
    axes.legend(
        handles=marks,
        ncols=min(4, len(marks)),
        fontsize=8,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        handletextpad=0.1,
        columnspacing=0.8,
    )
