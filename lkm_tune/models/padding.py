"""Batches of few shapes: atoms and edges of no molecule fill a batch up to the sizes of its class.

A CUDA graph repeats a step with the same shapes (docs/benchmarks.md). A padded batch has one
molecule more, the last. All padding atoms belong to it, and padding edges join padding atoms alone,
so that no state of another atom changes. A loss leaves this molecule out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch

import torch
from torch import Tensor

from lkm_tune.graphs import MoleculeBatch

STEP = 1.1
"""The ratio of the sizes of two adjacent classes."""

SPARE = 2
"""The smallest number of padding atoms, of padding edges, and so on."""

_APART = 1.5

Sizes = Mapping[str, int]
"""The number of atoms, of edges, and of further rows of a prepared batch, by name."""


class PaddingError(ValueError):
    """A batch that cannot be padded."""


@dataclass(frozen=True)
class SizeClasses:
    """Class k has `STEP`^k times the sizes of a usual batch, for whole numbers k.

    Attributes:
        usual: the sizes of a usual batch.
    """

    usual: Sizes

    def fit(self, batch: Sizes) -> Sizes:
        """The smallest class for a batch.

        A padding atom has at most about four times as many edges as a usual atom. Otherwise the
        states of padding atoms could grow from layer to layer beyond the range of the numbers.
        """
        usual = {name: max(1, size) for name, size in self.usual.items()}
        shares = [batch[name] / size for name, size in usual.items() if batch[name]]
        # Padding of s - share for scale s: the largest is at most four times the smallest.
        scale = max(shares) + (max(shares) - min(shares)) / 3
        scale = STEP ** math.ceil(math.log(scale, STEP) - 1e-9)
        return {name: math.ceil(size * scale) + SPARE for name, size in usual.items()}


@singledispatch
def sizes_of(batch: MoleculeBatch) -> Sizes:
    """The sizes of a batch as a model prepares it.

    Raises:
        PaddingError: if the batch is of a type that `padded` does not know.
    """
    _check_plain(batch)
    return {
        "atoms": batch.n_atoms,
        "edges": batch.edge_index.shape[1],
        "bonds": batch.bond_index.shape[1],
    }


@singledispatch
def padded(batch: MoleculeBatch, sizes: Sizes) -> MoleculeBatch:
    """A batch with further atoms and edges.

    Args:
        batch: the molecules as a model prepares them.
        sizes: a class of `SizeClasses`.

    Returns:
        A batch of the same type and of these sizes, with one molecule more.

    Raises:
        PaddingError: if the batch is of another type than the package knows.
    """
    _check_plain(batch)
    wider = with_atoms(batch, sizes["atoms"])
    more = {
        "edges": padding_edges(batch, wider, sizes["edges"] - batch.edge_index.shape[1]),
        "bonds": padding_edges(batch, wider, sizes["bonds"] - batch.bond_index.shape[1]),
    }
    return replace(
        wider,
        edge_index=torch.cat((batch.edge_index, more["edges"]), dim=1),
        bond_index=torch.cat((batch.bond_index, more["bonds"]), dim=1),
    )


def with_atoms(batch: MoleculeBatch, n_atoms: int) -> MoleculeBatch:
    """The molecules of a batch without their edges, and one more with the padding atoms.

    The padding atoms are pairs at 1.5 Å, the pairs 3 Å apart.

    Args:
        batch: the molecules.
        n_atoms: the number of all atoms.
    """
    number = torch.arange(n_atoms - batch.n_atoms)
    places = torch.stack((number % 2, 2 * (number // 2), 0 * number), dim=1) * _APART
    return replace(
        MoleculeBatch.extended(batch, MoleculeBatch),
        z=repeated(batch.z, len(number)),
        pos=torch.cat((batch.pos, places.to(batch.pos.dtype))),
        graph_index=torch.cat((batch.graph_index, torch.full_like(number, batch.n_graphs))),
        edge_index=batch.edge_index[:, :0],
        bond_index=batch.bond_index[:, :0],
        n_graphs=batch.n_graphs + 1,
    )


def repeated(rows: Tensor, more: int) -> Tensor:
    """Rows [N], and the first row `more` times."""
    return torch.cat((rows, rows[:1].expand(more)))


def padding_edges(before: MoleculeBatch, after: MoleculeBatch, count: int) -> Tensor:
    """Edges between the padding atoms of `after`, in both directions by turns, int64 [2, count]."""
    number = torch.arange(count)
    pairs = (after.n_atoms - before.n_atoms) // 2
    first = before.n_atoms + 2 * (number // 2 % pairs)
    return torch.stack((first + number % 2, first + 1 - number % 2))


def _check_plain(batch: MoleculeBatch) -> None:
    if type(batch) is not MoleculeBatch:
        raise PaddingError(f"batches of the type {type(batch).__name__} cannot be padded")
