"""The spread of the states of atoms, between layers and within each layer."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_layers(layers: Sequence[Tensor]) -> None:
    """Refuses an invalid list of layers.

    Raises:
        ValueError: if there is no layer, or the layers have different shapes [N, D].
    """
    shapes = [tuple(layer.shape) for layer in layers]
    if not shapes or len(shapes[0]) != 2 or len(set(shapes)) > 1:
        raise ValueError(f"there must be layers of one shape [atoms, features], got {shapes}")


def distance_to_mean(layers: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of each layer from the mean ē_i over layers, [L].

    d_j = mean over atoms i and features of (e_ij − ē_i)², the share of layer j in the mixing term
    of arXiv:2510.20236. Its mean over layers is the variance across layers, and L_KD with the
    default options.

    Args:
        layers: L states of the same N atoms, each [N, D].
    """
    stacked = torch.stack(list(layers))
    return (stacked - stacked.mean(dim=0)).square().mean(dim=(1, 2))


def atom_variance(layer: Tensor) -> Tensor:
    """Variance across atoms: mean over features of Var_i e_i, a scalar.

    It is 0 if all atoms have the same state: the embeddings have collapsed.

    Args:
        layer: states of atoms [N, D].
    """
    return layer.var(dim=0, correction=0).mean()


def effective_rank(matrix: Tensor) -> Tensor:
    """The effective number of directions of a matrix, a scalar between 1 and its rank.

    exp(−Σ_k p_k log p_k) with p_k = σ_k / Σ σ, σ the singular values (Roy & Vetterli 2007, "The
    effective rank", definition 1). A matrix of zeros has 0.

    Args:
        matrix: any [N, D].
    """
    # A small square matrix has the singular values of the tall matrix.
    small = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
    sigma: Tensor = torch.linalg.eigvalsh(small @ small.T).clamp(min=0).sqrt()
    total = sigma.sum()
    if total == 0:
        return total
    entropy: Tensor = torch.special.entr(sigma / total).sum()
    return entropy.exp()
