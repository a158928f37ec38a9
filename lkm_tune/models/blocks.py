"""Parts that the models share. σ is SiLU; names of submodules are those of the published code."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.graphs import HEAVIEST_ELEMENT
from lkm_tune.models.fused import dense, messages


class MLP(nn.Sequential):
    """MLP(c0, .., ck): affine map and σ for each step, σ after the last one too."""

    def __init__(self, *sizes: int) -> None:
        """Build the steps sizes[0] -> sizes[1] -> ..."""
        super().__init__(*(nn.Sequential(nn.Linear(p, q), nn.SiLU()) for p, q in pairwise(sizes)))

    def forward(self, x: Tensor) -> Tensor:
        """[R, c0] to [R, ck]."""
        for step in range(len(self)):
            affine = self.affine(step)
            x = dense(x, affine.weight, affine.bias)
        return x

    def before(self, x: Tensor) -> Tensor:
        """[R, c0] to [R, ck], what the last σ is applied to."""
        *steps, last = (self.affine(step) for step in range(len(self)))
        for affine in steps:
            x = dense(x, affine.weight, affine.bias)
        return functional.linear(x, last.weight, last.bias)

    def affine(self, step: int = 0) -> nn.Linear:
        """The affine map of a step."""
        return cast(nn.Linear, cast(nn.Sequential, self[step])[0])


class EdgeMLP(MLP):
    """MLP(3D, D) of [x_i | x_j | e], taken apart: σ(A x_i + b + B x_j + C e), [A|B|C] its weight.

    The same numbers as for the concatenation, but A x and B x cost one row an atom instead of one
    an edge, and C e one row for all edges that share e.
    """

    def __init__(self, size: int) -> None:
        """Build for states and edge features of `size` = D."""
        super().__init__(3 * size, size)

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        e: Tensor,
        i: Tensor,
        j: Tensor,
        kind: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """One row for each edge [E, D].

        Args:
            x: states [N, D].
            e: edge features [K, D].
            i: the first atom of each edge, int64 [E].
            j: the second atom of each edge, int64 [E].
            kind: the row of e that belongs to each edge, int64 [E].
            weights: what each row is multiplied by, in rows as those of e [K, D]; None for 1.
        """
        edge = self.of_edges(e)
        weights = torch.ones_like(edge) if weights is None else weights
        return messages(*self.of_atoms(x), edge, weights, i, j, kind)

    def of_atoms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A x + b and B x, each [N, D]."""
        affine = self.affine()
        a, b, _ = affine.weight.chunk(3, dim=1)
        return functional.linear(x, a, affine.bias), functional.linear(x, b)

    def of_edges(self, e: Tensor) -> Tensor:
        """C e [K, D]."""
        return functional.linear(e, self.affine().weight.chunk(3, dim=1)[2])


class Residual(nn.Module):
    """Res(x) = x + MLP(D, D, D)(x)."""

    def __init__(self, size: int) -> None:
        """Build for states of `size` = D."""
        super().__init__()
        self.mlp = MLP(size, size, size)

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] to [N, D]."""
        total: Tensor = x + self.mlp(x)
        return total


class ElementRows(nn.Module):
    """The row of an embedding table that belongs to each atomic number."""

    table: Tensor

    def __init__(self, elements: Sequence[int]) -> None:
        """Give row k to the atomic number `elements[k]`."""
        super().__init__()
        self.elements = tuple(elements)
        table = torch.full((HEAVIEST_ELEMENT + 1,), -1)
        table[list(elements)] = torch.arange(len(elements))
        self.register_buffer("table", table, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Atomic numbers [N] to rows [N].

        Raises:
            ValueError: for an atomic number that is not among the elements.
        """
        rows = self.table.index_select(0, z)
        # Reading the answer waits for a GPU, but so does counting the pairs of edges right after.
        if bool((rows < 0).any()):
            unknown = torch.unique(z[rows < 0]).tolist()
            raise ValueError(
                f"this model knows the elements with Z in {self.elements}, but got Z in {unknown}"
            )
        return rows
