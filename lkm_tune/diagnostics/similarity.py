"""Similarity of pairs of layers of a network."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def cosine_similarity(layers: Sequence[Tensor]) -> Tensor:
    """Mean over atoms of the cosine of the angle between an atom's states in two layers, [L, L].

    It is 1 if each atom's states in both layers have the same direction, with any lengths.

    Args:
        layers: L states of the same N atoms, each [N, D].
    """
    units = torch.stack([functional.normalize(layer, dim=1) for layer in layers])
    return torch.einsum("jnd,knd->jk", units, units) / units.shape[1]


def linear_cka(layers: Sequence[Tensor]) -> Tensor:
    """Linear centred kernel alignment of each pair of layers, [L, L], between 0 and 1.

    ‖YᵀX‖²_F / (‖XᵀX‖_F · ‖YᵀY‖_F), X and Y minus their means over atoms (Kornblith et al. 2019,
    arXiv:1905.00414, section 3). It is 1 if two layers are equal up to rotation and scale, and NaN
    if a layer has the same state for all atoms.

    Args:
        layers: L states of the same N atoms, each [N, D]; D may differ.
    """
    centred = [layer - layer.mean(dim=0) for layer in layers]
    cross = torch.stack([torch.stack([(y.T @ x).square().sum() for y in centred]) for x in centred])
    norms = cross.diagonal().sqrt()
    return cross / torch.outer(norms, norms)
