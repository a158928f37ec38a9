"""How alike the layers of a network are, pair by pair."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def cosine_similarity(layers: Sequence[Tensor]) -> Tensor:
    """Mean over atoms of the cosine of the angle between an atom's states in two layers, [L, L].

    1 where each atom points the same way in both, whatever the lengths.

    Args:
        layers: L states of the same N atoms, each [N, D].
    """
    units = torch.stack([functional.normalize(layer, dim=1) for layer in layers])
    return torch.einsum("jnd,knd->jk", units, units) / units.shape[1]


def linear_cka(layers: Sequence[Tensor]) -> Tensor:
    """Linear centred kernel alignment of each pair of layers, [L, L], between 0 and 1.

    ‖YᵀX‖²_F / (‖XᵀX‖_F · ‖YᵀY‖_F), X and Y less their means over atoms (Kornblith et al. 2019,
    arXiv:1905.00414, section 3). 1 where two layers hold the same up to rotation and scale. NaN
    where a layer is the same for all atoms, and so holds nothing to compare.

    Args:
        layers: L states of the same N atoms, each [N, D]; D may differ.
    """
    centred = [layer - layer.mean(dim=0) for layer in layers]
    cross = torch.stack([torch.stack([(y.T @ x).square().sum() for y in centred]) for x in centred])
    norms = cross.diagonal().sqrt()
    return cross / torch.outer(norms, norms)
