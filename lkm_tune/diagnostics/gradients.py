"""The gradients of the prediction loss and of the mixing term."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GradientNorms:
    """Euclidean norms over all parameters.

    Attributes:
        prediction: ‖∂L_pred/∂θ‖.
        mixing: ‖γ · ∂L_KD/∂θ‖.
    """

    prediction: float
    mixing: float

    @property
    def ratio(self) -> float:
        """`mixing` over `prediction`; above 1 the mixing term dominates. NaN at a minimum."""
        return self.mixing / self.prediction if self.prediction else float("nan")


def gradient_norms(
    prediction: Tensor, kd: Tensor, gamma: float, parameters: Iterable[Tensor]
) -> GradientNorms:
    """The norms of the gradients of γ · L_KD and of the prediction loss; it sets no `grad`.

    Args:
        prediction: scalar L_pred with its graph.
        kd: scalar L_KD with its graph.
        gamma: γ ≥ 0.
        parameters: parameters of the network; a parameter that a loss does not use counts as 0.
    """
    learnt = [p for p in parameters if p.requires_grad]
    norms = [_norm(loss, learnt) for loss in (prediction, kd)]
    return GradientNorms(norms[0], gamma * norms[1])


def _norm(loss: Tensor, parameters: list[Tensor]) -> float:
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    squares = [g.double().square().sum() for g in found if g is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0
