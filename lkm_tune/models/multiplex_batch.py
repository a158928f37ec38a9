"""The indices of the global and the local graph: made once a batch, on the CPU."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lkm_tune.graphs import MoleculeBatch, edges_within, two_hop_pairs
from lkm_tune.models.blocks import ElementRows
from lkm_tune.models.padding import (
    Sizes,
    padded,
    padding_edges,
    repeated,
    sizes_of,
    with_atoms,
)


@dataclass(frozen=True, eq=False)
class PairIndex:
    """Pairs (e, f) of directed bonds that share an atom; the message of f goes to e.

    Attributes:
        e: numbers of bonds, int64 [T].
        f: numbers of bonds, int64 [T].
        kind: the row of the features of each pair, rising from 0 without a gap, int64 [T].
    """

    e: Tensor
    f: Tensor
    kind: Tensor


@dataclass(frozen=True, eq=False)
class MultiplexBatch(MoleculeBatch):
    """A batch with the indices of its global and its local graph.

    The edges a <- b of the global graph are in pairs: both directions of a pair are adjacent, and
    so are both directions of a bond.

    Attributes:
        near_cutoff: the cutoff of the global graph in Å.
        elements: the atomic numbers of the rows of the embedding.
        rows: the row of the embedding of each atom, int64 [N].
        near: pairs within the cutoff, one direction of each, int64 [2, E/2].
        a: int64 [E].
        b: int64 [E].
        pair: number of the pair of each edge, int64 [E].
        bonds: directed bonds s -> t, int64 [2, B].
        every_bond: 0 .. B - 1, int64 [B].
        bond: number of the undirected bond of each directed bond, int64 [B].
        one_way: one direction of each bond, int64 [B/2].
        angle_e: the first bond of each angle, int64 [A].
        angle_f: the second bond of each angle, int64 [A].
        angle_length: the undirected bond of `angle_f`, int64 [A].
        two_hop: pairs e = (j -> i), f = (k -> j), k != i; their angles are the first ones.
        one_hop: pairs that enter one atom, including e = f.
        pairs: the two-hop and then the one-hop pairs, with the features in that order.
    """

    near_cutoff: float
    elements: tuple[int, ...]
    rows: Tensor
    near: Tensor
    a: Tensor
    b: Tensor
    pair: Tensor
    bonds: Tensor
    every_bond: Tensor
    bond: Tensor
    one_way: Tensor
    angle_e: Tensor
    angle_f: Tensor
    angle_length: Tensor
    two_hop: PairIndex
    one_hop: PairIndex
    pairs: PairIndex


def multiplex_batch(batch: MoleculeBatch, cutoff: float, rows: ElementRows) -> MultiplexBatch:
    """The indices of a batch.

    Args:
        batch: the molecules.
        cutoff: the cutoff of the global graph in Å.
        rows: the rows of the embedding.

    Raises:
        ValueError: for an element that has no row.
    """
    of_elements = rows(batch.z)
    edge_index = edges_within(batch, cutoff)
    near = edge_index[:, edge_index[0] < edge_index[1]]
    bonds = _by_bond(batch.bond_index, batch.n_atoms)
    walks = two_hop_pairs(bonds, batch.n_atoms)
    return _indexed(batch, cutoff, rows.elements, of_elements, near, bonds, walks)


def _indexed(
    batch: MoleculeBatch, cutoff: float, elements: tuple[int, ...], rows: Tensor, near: Tensor,
    bonds: Tensor, walks: tuple[Tensor, Tensor],
) -> MultiplexBatch:  # fmt: skip
    """The batch with all indices that follow from these."""
    ends, (after, before) = near.t(), walks
    every_bond = _numbers(bonds, 1)
    bond, one_way = every_bond // 2, every_bond[::2]
    count, number = before.shape[0], _numbers(after, 0)
    # Both directions of a bond are adjacent: e ^ 1 is the reverse of e. If (e, f) is a two-hop
    # pair, (e ^ 1, f) is a one-hop pair with the same angle and length. Pairs of a bond with
    # itself have equal features for both directions.
    two_hop = PairIndex(after, before, number)
    one_hop = PairIndex(
        torch.cat((after ^ 1, every_bond)),
        torch.cat((before, every_bond)),
        torch.cat((number, bond + count)),
    )
    angle_f = torch.cat((before, one_way))
    return batch.extended(
        MultiplexBatch,
        near_cutoff=cutoff,
        elements=elements,
        rows=rows,
        near=near,
        a=ends.flatten(),
        b=ends.flip(1).flatten(),
        pair=_numbers(near, 1).repeat_interleave(2),
        bonds=bonds,
        every_bond=every_bond,
        bond=bond,
        one_way=one_way,
        angle_e=torch.cat((after, one_way ^ 1)),
        angle_f=angle_f,
        angle_length=bond.index_select(0, angle_f),
        two_hop=two_hop,
        one_hop=one_hop,
        pairs=PairIndex(
            torch.cat((two_hop.e, one_hop.e)),
            torch.cat((two_hop.f, one_hop.f)),
            torch.cat((two_hop.kind, one_hop.kind + count)),
        ),
    )


@sizes_of.register
def _(batch: MultiplexBatch) -> Sizes:
    return {
        "atoms": batch.n_atoms,
        "pairs within the cutoff": batch.near.shape[1],
        "bonds": batch.one_way.shape[0],
        "two-hop pairs": batch.two_hop.e.shape[0],
    }


@padded.register
def _(batch: MultiplexBatch, sizes: Sizes) -> MultiplexBatch:
    have, wider = sizes_of(batch), with_atoms(batch, sizes["atoms"])
    lacking = {name: size - have[name] for name, size in sizes.items()}
    near = padding_edges(batch, wider, 2 * lacking["pairs within the cutoff"])[:, ::2]
    bonds = padding_edges(batch, wider, 2 * lacking["bonds"])
    number, first = torch.arange(lacking["two-hop pairs"]), batch.bonds.shape[1]
    e, f = (first + (number + turn) % bonds.shape[1] for turn in (0, 1))
    return _indexed(
        wider,
        batch.near_cutoff,
        batch.elements,
        repeated(batch.rows, lacking["atoms"]),
        torch.cat((batch.near, near), dim=1),
        torch.cat((batch.bonds, bonds), dim=1),
        (torch.cat((batch.two_hop.e, e)), torch.cat((batch.two_hop.f, f))),
    )


def _by_bond(bonds: Tensor, n_atoms: int) -> Tensor:
    """Directed bonds [2, B] in an order with both directions of each bond adjacent."""
    key = bonds.amin(0) * n_atoms + bonds.amax(0)
    return bonds.index_select(1, torch.argsort(key, stable=True))


def _numbers(of: Tensor, dim: int) -> Tensor:
    """0, 1, .. for each place of `of` along `dim`."""
    return torch.arange(of.shape[dim], device=of.device)
