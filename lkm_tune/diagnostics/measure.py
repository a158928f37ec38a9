"""All figures of the layers of one network on one set of atoms."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from lkm_tune.diagnostics.similarity import cosine_similarity, linear_cka
from lkm_tune.diagnostics.smoothing import dirichlet_energy, mean_average_distance
from lkm_tune.diagnostics.spread import (
    atom_variance,
    check_layers,
    distance_to_mean,
    effective_rank,
)

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


@dataclass(frozen=True)
class LayerFigures:
    """Figures of L layers; the function of each name defines the figure.

    Attributes:
        layer_variance: variance across layers, the mean of `distance_to_mean`, a scalar; 0 if all
        layers are equal (perfect mixing). distance_to_mean: of each layer, [L]. atom_variance:
        across atoms, of each layer, [L]. dirichlet_energy: over the graph's edges, of each layer,
        [L]. mean_average_distance: over the graph's edges, of each layer, [L]. effective_rank: of
        each layer minus its mean over atoms, [L]. cosine: similarity of pairs of layers, [L, L].
        cka: linear CKA of pairs of layers, [L, L].
    """

    layer_variance: float
    distance_to_mean: Vector
    atom_variance: Vector
    dirichlet_energy: Vector
    mean_average_distance: Vector
    effective_rank: Vector
    cosine: Matrix
    cka: Matrix

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """Every figure by name, of layers (`atom_variance/2`) and of pairs of adjacent layers.

        Layers are counted from 1. `cka_mean` and `cosine_mean` are means over all pairs of layers,
        `rank_mean` over layers.
        """
        found = {"layer_variance": self.layer_variance, "rank_mean": _mean(self.effective_rank)}
        for name in _EACH:
            values: Vector = getattr(self, name)
            found |= {f"{name}/{j}": value for j, value in enumerate(values, start=1)}
        for name, matrix in (("cosine", self.cosine), ("cka", self.cka)):
            pairs = [row[k] for j, row in enumerate(matrix) for k in range(j)]
            if pairs:
                found[f"{name}_mean"] = _mean(pairs)
            for j in range(1, len(matrix)):
                found[f"{name}/{j}-{j + 1}"] = matrix[j - 1][j]
        return found


_EACH = (
    "distance_to_mean",
    "atom_variance",
    "dirichlet_energy",
    "mean_average_distance",
    "effective_rank",
)


@torch.no_grad()
def measure_layers(layers: Sequence[Tensor], edges: Tensor) -> LayerFigures:
    """All figures, in double precision.

    Args:
        layers: L ≥ 1 states of the same N atoms, each [N, D].
        edges: [2, E] of the graph that defines neighbours, both directions.

    Raises:
        ValueError: if there is no layer, or their shapes differ.
    """
    check_layers(layers)
    states = [layer.detach().double() for layer in layers]
    to_mean = distance_to_mean(states)
    return LayerFigures(
        layer_variance=float(to_mean.mean()),
        distance_to_mean=tuple(to_mean.tolist()),
        atom_variance=_each(atom_variance(state) for state in states),
        dirichlet_energy=_each(dirichlet_energy(state, edges) for state in states),
        mean_average_distance=_each(mean_average_distance(state, edges) for state in states),
        effective_rank=_each(effective_rank(state - state.mean(dim=0)) for state in states),
        cosine=_rows(cosine_similarity(states)),
        cka=_rows(linear_cka(states)),
    )


def _each(values: Any) -> Vector:
    return tuple(float(value) for value in values)


def _rows(matrix: Tensor) -> Matrix:
    return tuple(tuple(row) for row in matrix.tolist())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
