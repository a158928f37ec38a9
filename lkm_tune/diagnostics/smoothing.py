"""Over-smoothing: the difference between neighbours."""

import torch
from torch import Tensor
from torch.nn import functional


def dirichlet_energy(layer: Tensor, edges: Tensor) -> Tensor:
    """(1/N) Σ_i Σ_{j ∈ N(i)} ‖e_i − e_j‖², a scalar; 0 if all neighbours are equal.

    Rusch, Bronstein, Mishra 2023, "A survey on oversmoothing in graph neural networks",
    arXiv:2303.10993. It grows with the square of the states' scale.

    Args:
        layer: states of atoms [N, D].
        edges: [2, E], every edge in both directions.
    """
    source, target = edges
    return (layer[source] - layer[target]).square().sum() / layer.shape[0]


def mean_average_distance(layer: Tensor, edges: Tensor) -> Tensor:
    """MAD over neighbours: the mean over atoms of the mean cosine distance to their neighbours.

    D̄_i = mean over j ∈ N(i) of 1 − cos(e_i, e_j), MAD = mean of D̄_i over atoms with neighbours
    (Chen et al. 2020, arXiv:1909.03211, equations 1 to 4, with the graph's edges as target mask).
    The paper leaves out pairs at distance 0. Here they count, since rounding decides which
    distances are exactly 0. The value lies between 0 (all neighbours alike) and 2 and does not
    depend on scale.

    Args:
        layer: states of atoms [N, D].
        edges: [2, E], every edge in both directions.

    Returns:
        A scalar; NaN for a graph without edges.
    """
    source, target = edges
    units = functional.normalize(layer, dim=1)
    distance = 1 - (units[source] * units[target]).sum(dim=1)
    n_neighbours = torch.bincount(source, minlength=layer.shape[0])
    sums = layer.new_zeros(layer.shape[0]).index_add(0, source, distance)
    joined = n_neighbours > 0
    return (sums[joined] / n_neighbours[joined]).mean()
