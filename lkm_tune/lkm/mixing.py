"""Selective mixing: variants with unequal shares of the layers in the teachers.

The paper's mean over layers gives every layer the share 1/L in every teacher. It leaves open
whether some layers should teach more than others. Each variant here is a matrix of shares w_jk for
`layer_mixing_loss`: the share of layer k in the teacher Σ_k w_jk e_ik of layer j. The parameters of
a variant are trained with the network and do not belong to it, so inference does not change.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

MixingName = Literal["uniform", "neighbours", "learned", "confidence"]

Judge = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A function of outputs of atoms [N, P]. It returns the error of each atom's sample [N], and the
share of these samples in the mean error of their batch (a scalar)."""


class Mixing(nn.Module):
    """The shares of layers in teachers."""

    @abstractmethod
    def forward(self, layers: Sequence[Tensor], judge: Judge) -> tuple[Tensor | None, Tensor]:
        """The shares for one batch.

        Args:
            layers: the L embeddings, each [N, D].
            judge: gives the error of predictions from outputs of atoms.

        Returns:
            Shares for `layer_mixing_loss` (None for 1/L each), and a scalar loss of the variant's
            parameters, which has no gradient in the layers.
        """

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters that a network without mixing does not have."""
        return sum(parameter.numel() for parameter in self.parameters())


class UniformMixing(Mixing):
    """w_jk = 1/L, the mean (arXiv:2510.20236)."""

    def forward(self, layers: Sequence[Tensor], judge: Judge) -> tuple[Tensor | None, Tensor]:
        """See `Mixing`."""
        return None, layers[0].new_zeros(())


class NeighbourMixing(Mixing):
    """w_jk = 1 / |N_j| for k in N_j = {k : |j − k| ≤ reach}, else 0 (ours).

    A layer learns from adjacent layers, in the network's order of layers. With a reach of at least
    L − 1, it equals uniform mixing.
    """

    def __init__(self, reach: int = 1) -> None:
        """Neighbours are at most `reach` layers away."""
        super().__init__()
        self.reach = reach

    def forward(self, layers: Sequence[Tensor], judge: Judge) -> tuple[Tensor | None, Tensor]:
        """See `Mixing`."""
        place = torch.arange(len(layers), device=layers[0].device)
        near = ((place[:, None] - place).abs() <= self.reach).to(layers[0].dtype)
        return near / near.sum(dim=1, keepdim=True), layers[0].new_zeros(())


class LearnedMixing(Mixing):
    """w_jj = 1/L, and w_jk = (1 − 1/L) exp(a_k) / Σ_{l≠j} exp(a_l) for k ≠ j, a learnt (ours).

    It has L parameters, which start at 0: uniform mixing. The share of a layer in its own teacher
    stays 1/L: if it were free, each layer would soon be its own teacher. One softmax over all
    layers, with one teacher for all layers, would learn nothing: the squared distance is stationary
    at the uniform start. With two layers there is no choice.
    """

    def __init__(self, n_layers: int) -> None:
        """Creates the scores of L = `n_layers` layers."""
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(n_layers))

    def forward(self, layers: Sequence[Tensor], judge: Judge) -> tuple[Tensor | None, Tensor]:
        """See `Mixing`."""
        n = len(self.scores)
        own = torch.eye(n, dtype=torch.bool, device=self.scores.device)
        others = self.scores.expand(n, n).masked_fill(own, -torch.inf).softmax(dim=1)
        return own / n + (1 - 1 / n) * others, layers[0].new_zeros(())


class ConfidenceMixing(Mixing):
    """w_jk = exp(−ℓ_k / (τ ℓ̄)) / Σ_l exp(−ℓ_l / (τ ℓ̄)), ℓ_k the error of layer k, by sample (ours).

    Each layer has a linear readout; its mean over the atoms of a molecule is the prediction of the
    layer. ℓ_k is the error of this prediction on the molecule, ℓ̄ the mean over layers. Layers with
    better predictions teach more, as the teachers of Zhang et al., 2022 (CA-MKD, arXiv:2201.00007).

    The readouts are supervised as in deep supervision (Lee et al., 2015, arXiv:1409.5185), but read
    detached states (the linear probes of Alain & Bengio, 2016, arXiv:1610.01644). Otherwise the
    variant would also add a prediction loss on every layer. There are L (D + 1) P parameters for D
    features and P outputs. They start at 0, where all layers have equal errors and the variant
    equals uniform mixing, as it also does for τ → ∞.
    """

    def __init__(
        self, n_layers: int, n_features: int, n_outputs: int, temperature: float = 1.0
    ) -> None:
        """Creates the readouts of L layers with D features and P outputs; τ is `temperature`."""
        super().__init__()
        self.readouts = nn.ModuleList(nn.Linear(n_features, n_outputs) for _ in range(n_layers))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        self.temperature = temperature

    def forward(self, layers: Sequence[Tensor], judge: Judge) -> tuple[Tensor | None, Tensor]:
        """See `Mixing`."""
        judged = [
            judge(readout(layer.detach()))
            for readout, layer in zip(self.readouts, layers, strict=True)
        ]
        errors = torch.stack([error for error, _ in judged]).detach()
        scale = self.temperature * errors.mean(dim=0).clamp_min(torch.finfo(errors.dtype).tiny)
        shares = (-errors / scale).softmax(dim=0)
        n = len(self.readouts)
        return shares.expand(n, *shares.shape), torch.stack([loss for _, loss in judged]).sum()


def make_mixing(name: MixingName, shape: Callable[[], tuple[int, int, int]]) -> Mixing:
    """The variant of a name in a study file.

    Args:
        name: `uniform`, `neighbours`, `learned` or `confidence`.
        shape: returns L, D and P of the network; called only if the variant has parameters.
    """
    if name == "uniform":
        return UniformMixing()
    if name == "neighbours":
        return NeighbourMixing()
    n_layers, n_features, n_outputs = shape()
    if name == "learned":
        return LearnedMixing(n_layers)
    return ConfidenceMixing(n_layers, n_features, n_outputs)
