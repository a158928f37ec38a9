"""Sums of messages that depend on an angle, without a list of pairs of edges.

In DimeNet++ edge e = (j -> i) gathers from the edges f = (k -> j), k != i:

    K_e = sum_f k_f * C(e, f),   C(e, f) = sum_l Y_l(θ_ef) Q_lf,

where Q_lf, the radial part of the spherical basis after its linear maps, depends only on f. So
K = Y V with V_lf = k_f Q_lf, a product of small dense matrices, one for each atom j: rows are the
edges that leave j, columns are the pairs of an edge that enters j and an l. A sum over pairs would
move [T, int_emb_size] numbers several times for each block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lkm_tune.models.bases import harmonics

_PLACES = 4
"""The M of padded tables is a multiple of it."""


@dataclass(frozen=True, eq=False)
class AngularSum:
    """Sums over the two-hop pairs of a graph; M is the largest number of edges at an atom.

    Attributes:
        harmonics: Y_l(θ) for the edges that leave and the edges that enter each atom [N, M, M Ls],
            0 where a place is empty or the walk turns back (k = i).
        entering: the edge at each place of the table of entering edges, int64 [N M]; 0 if empty.
        leaving_place: the place of each edge in the table of leaving edges, int64 [E].
    """

    harmonics: Tensor
    entering: Tensor
    leaving_place: Tensor

    def __call__(self, messages: Tensor, radial: Tensor) -> Tensor:
        """K_e = sum_f messages_f * sum_l Y_l(θ_ef) radial_lf.

        Args:
            messages: [E, C].
            radial: [E, Ls, C].

        Returns:
            [E, C].
        """
        n_atoms, _, n_columns = self.harmonics.shape
        weighted = messages.unsqueeze(1) * radial
        columns = weighted.index_select(0, self.entering).view(
            n_atoms, n_columns, messages.shape[1]
        )
        sums = torch.bmm(self.harmonics, columns).flatten(0, 1)
        return sums.index_select(0, self.leaving_place)


@dataclass(frozen=True, eq=False)
class EdgeTables:
    """The edges that leave and the edges that enter each atom, with M places an atom.

    Attributes:
        leaving: the edge at each place of the leaving edges, int64 [N, M]; 0 if empty.
        entering: the edge at each place of the entering edges, int64 [N, M]; 0 if empty.
        leaving_place: the place of each edge among the leaving edges, int64 [E].
        onward: whether an edge is at both places, and the walk does not turn back [N, M, M].
    """

    leaving: Tensor
    entering: Tensor
    leaving_place: Tensor
    onward: Tensor

    def padded(self, n_atoms: int, more_edges: int) -> "EdgeTables":
        """These tables for `n_atoms` atoms, M rounded up, and further edges that take no sums."""
        before, width = self.leaving.shape
        wider = -(-width // _PLACES) * _PLACES
        below, right = n_atoms - before, wider - width
        place = self.leaving_place
        empty = (n_atoms - 1) * wider + torch.arange(more_edges) % wider
        return EdgeTables(
            leaving=pad(self.leaving, (0, right, 0, below)),
            entering=pad(self.entering, (0, right, 0, below)),
            leaving_place=torch.cat((place // width * wider + place % width, empty)),
            onward=pad(self.onward, (0, right, 0, right, 0, below)),
        )


def edge_tables(edge_index: Tensor, n_atoms: int) -> EdgeTables:
    """The tables of a graph with the edges `edge_index` [2, E]; M depends on the edges."""
    source, target = edge_index
    leaving, _, leaving_place = _table(source, n_atoms)
    entering, taken, _ = _table(target, n_atoms)
    onward = target[leaving].unsqueeze(2) != source[entering].unsqueeze(1)
    return EdgeTables(leaving, entering, leaving_place, onward & taken.unsqueeze(1))


def angular_sum(unit: Tensor, tables: EdgeTables, num_spherical: int) -> AngularSum:
    """The sums for edges with unit vectors `unit` [E, 3], once for all blocks."""
    leaving, entering = _rows(unit, tables.leaving), _rows(unit, tables.entering)
    cosine = torch.bmm(leaving, entering.transpose(1, 2))
    angles = harmonics(cosine, num_spherical) * tables.onward.unsqueeze(-1)
    return AngularSum(angles.flatten(2), tables.entering.flatten(), tables.leaving_place)


def _rows(values: Tensor, table: Tensor) -> Tensor:
    return values.index_select(0, table.flatten()).view(*table.shape, values.shape[1])


def _table(atom: Tensor, n_atoms: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edges grouped by one of their atoms.

    Returns:
        The edges of each atom [N, M] with 0 at empty places, the mask of the other places [N, M],
        and the place of each edge in the flattened table [E].
    """
    counts = torch.bincount(atom, minlength=n_atoms)
    width = int(counts.max())
    order = torch.argsort(atom, stable=True)
    owner = atom.index_select(0, order)
    rank = torch.arange(atom.shape[0], device=atom.device) - (counts.cumsum(0) - counts)[owner]
    place = torch.empty_like(atom).index_copy(0, order, owner * width + rank)
    table = torch.zeros(n_atoms * width, dtype=torch.int64, device=atom.device)
    table[place] = torch.arange(atom.shape[0], device=atom.device)
    taken = torch.arange(width, device=atom.device) < counts.unsqueeze(1)
    return table.view(n_atoms, width), taken, place
