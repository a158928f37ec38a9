"""Shared parts of the models. σ is SiLU; submodules have the names of the published code."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.elements import HEAVIEST_ELEMENT
from lkm_tune.models.fused import deliver, dense, messages


class MLP(nn.Sequential):
    """MLP(c0, .., ck): affine map and σ for each step, σ also after the last step."""

    def __init__(self, *sizes: int) -> None:
        """Build the steps sizes[0] -> sizes[1] -> ..."""
        super().__init__(*(nn.Sequential(nn.Linear(p, q), nn.SiLU()) for p, q in pairwise(sizes)))

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """[R, c0] to [R, ck]; adds `skip` [R, ck] if it is given."""
        return dense(x, [(step.weight, step.bias) for step in self.affine], skip)

    @property
    def affine(self) -> list[nn.Linear]:
        """The affine map of each step."""
        return [cast(nn.Linear, cast(nn.Sequential, step)[0]) for step in self]

    def times(
        self,
        features: Tensor,
        x: Tensor,
        of: Tensor,
        kind: Tensor,
        to: Tensor | None = None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """x_f * MLP(features_k) for each pair, or their sums (see `fused.deliver`)."""
        *steps, last = self.affine
        if steps:
            features = dense(features, [(step.weight, step.bias) for step in steps])
        u = functional.linear(features, last.weight)
        return deliver(x, u, last.bias, of, kind, to, onto)


class EdgeMLP(MLP):
    """MLP(3D, D) of [x_i | x_j | e] in parts: σ(A x_i + b + B x_j + C e), [A|B|C] its weight.

    The result equals that of the concatenation, but A x and B x need one row per atom instead of
    one per edge, and C e one row for all edges with the same e.
    """

    def __init__(self, size: int) -> None:
        """Build for states and edge features of `size` = D."""
        super().__init__(3 * size, size)

    def forward(self, e: Tensor, weight: Tensor | None = None) -> "EdgeStep":  # type: ignore[override]
        """The step for edges with features e [K, D], times `weight` e [K, D] if it is given."""
        (affine,) = self.affine
        a, b, c = affine.weight.chunk(3, dim=1)
        if weight is None:
            edge = functional.linear(e, c)
            edges = torch.cat((edge, torch.ones_like(edge)), dim=1)
        else:
            edges = functional.linear(e, torch.cat((c, weight)))
        bias = functional.pad(affine.bias, (0, len(affine.bias)))
        return EdgeStep(torch.cat((a, b)), bias, edges)


@dataclass(eq=False)
class EdgeStep:
    """An `EdgeMLP` with edge features, for any states of atoms.

    Attributes:
        weight: [A | B], one above the other [2D, D].
        bias: [b | 0], [2D].
        edges: [C e | weights], [K, 2D], which each use passes to the next use.
    """

    weight: Tensor
    bias: Tensor
    edges: Tensor

    def __call__(
        self, x: Tensor, i: Tensor, j: Tensor, kind: Tensor, onto: Tensor | None = None
    ) -> Tensor:
        """The MLP for each edge times its weight [E, D], or the sums for each i [N, D].

        Args:
            x: states [N, D].
            i: the first atom of each edge, int64 [E].
            j: the second atom of each edge, int64 [E].
            kind: the row of `edges` for each edge, as in `fused.messages`.
            onto: summand of the sums [N, D]; None for one row per edge.
        """
        atoms = functional.linear(x, self.weight, self.bias)
        sent, self.edges = messages(atoms, self.edges, i, j, kind, onto)
        return sent


class Residual(nn.Module):
    """Res(x) = x + MLP(D, D, D)(x)."""

    def __init__(self, size: int) -> None:
        """Build for states of `size` = D."""
        super().__init__()
        self.mlp = MLP(size, size, size)

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] to [N, D]."""
        total: Tensor = self.mlp(x, skip=x)
        return total


class ElementRows:
    """The row of an embedding table for each atomic number."""

    def __init__(self, elements: Sequence[int]) -> None:
        """Give row k to the atomic number `elements[k]`."""
        self.elements = tuple(elements)
        self._table = torch.full((HEAVIEST_ELEMENT + 1,), -1)
        self._table[list(elements)] = torch.arange(len(elements))

    def __call__(self, z: Tensor) -> Tensor:
        """Atomic numbers [N] to rows [N].

        Raises:
            ValueError: for an atomic number outside the elements.
        """
        rows = self._table.to(z.device).index_select(0, z)
        if bool((rows < 0).any()):
            unknown = torch.unique(z[rows < 0]).tolist()
            raise ValueError(
                f"this model knows the elements with Z in {self.elements}, but got Z in {unknown}"
            )
        return rows
