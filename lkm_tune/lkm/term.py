"""The mixing term of See, Zhang, Boley, Chalmers, 2025.

arXiv:2510.20236. For atom i with embeddings e_ij over the layers j = 1..L of a network:

    ē_i  = (1/L) Σ_j e_ij
    L_KD = mean over atoms, layers and features of d(e_ij, ē_i)
    L    = L_pred + γ · L_KD

Every layer teaches (it is in the mean) and learns (it is pulled to the mean). The term adds no
parameters and does not change inference. With weights w_jk in place of 1/L, Σ_k w_jk = 1, each
layer j has a separate teacher Σ_k w_jk e_ik (ours: the paper leaves selective mixing open).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Distance = Literal["l2", "l1"]
Reduction = Literal["mean", "sum"]
Teacher = Literal["live", "detached"]


def layer_mixing_loss(
    layers: Sequence[Tensor],
    distance: Distance = "l2",
    reduction: Reduction = "mean",
    teacher: Teacher = "live",
    weights: Tensor | None = None,
) -> Tensor:
    """The mixing term L_KD of arXiv:2510.20236, stand-alone for any training loop.

    γ is comparable only between runs with equal `distance`, `reduction`, kind of `weights` and
    scale of the prediction loss.

    Args:
        layers: the L ≥ 2 embeddings of the same N atoms (or nodes), each [N, D].
        distance: `l2`, the squared difference (the paper's method section), or `l1`, the absolute
            difference (its abstract).
        reduction: over the D features, `mean` or `sum`; the paper does not say. Atoms and layers
            are always averaged.
        teacher: `live`, gradients flow through the teachers; `detached`, teachers are constants.
            With `l2` and without weights both have the same gradient: the deviations from a mean
            sum to 0.
        weights: [L, L], where row j has the share of each layer in the teacher of layer j, or one
            matrix for every atom [L, L, N]. Each row sums to 1. None for the mean, 1/L each.

    Returns:
        A scalar tensor, ≥ 0.

    Raises:
        ValueError: if there are fewer than two layers, their shapes differ, the weights are of
            another shape, or an option is invalid.
    """
    _check(layers, distance, reduction, teacher, weights)
    total = layers[0].new_zeros(())
    # One layer at a time: a stacked [L, N, D] copy would double the memory of the layers.
    for layer, aim in zip(layers, _teachers(layers, teacher, weights), strict=True):
        difference = layer - aim
        total = total + (difference.square().sum() if distance == "l2" else difference.abs().sum())
    n_atoms, n_features = layers[0].shape
    terms = len(layers) * n_atoms
    return total / (terms * n_features if reduction == "mean" else terms)


def _teachers(
    layers: Sequence[Tensor], teacher: Teacher, weights: Tensor | None
) -> Sequence[Tensor]:
    """The teacher of each layer, [N, D] each."""
    if weights is None:
        mean = sum(layers[1:], start=layers[0]) / len(layers)
        return [mean.detach() if teacher == "detached" else mean] * len(layers)
    sources = torch.stack([layer.detach() if teacher == "detached" else layer for layer in layers])
    equation = "jk,knd->jnd" if weights.ndim == 2 else "jkn,knd->jnd"
    return torch.einsum(equation, weights.to(sources.dtype), sources).unbind()


def _check(
    layers: Sequence[Tensor], distance: str, reduction: str, teacher: str, weights: Tensor | None
) -> None:
    if len(layers) < 2:
        raise ValueError(
            f"at least 2 layers must be given, since mixing needs two, got {len(layers)}"
        )
    shapes = [tuple(layer.shape) for layer in layers]
    if len(shapes[0]) != 2 or any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"all layers must have one shape [atoms, features], got {shapes}")
    square = (len(layers), len(layers))
    if weights is not None and tuple(weights.shape) not in (square, (*square, shapes[0][0])):
        raise ValueError(
            f"weights must have the shape {square} or {(*square, shapes[0][0])} "
            f"[layers, layers, atoms], got {tuple(weights.shape)}"
        )
    options = {
        "distance": (distance, ("l2", "l1")),
        "reduction": (reduction, ("mean", "sum")),
        "teacher": (teacher, ("live", "detached")),
    }
    for name, (value, valid) in options.items():
        if value not in valid:
            raise ValueError(f"{name} must be one of {', '.join(valid)}, got {value!r}")
