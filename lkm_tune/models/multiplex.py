"""The multiplex view of a molecule, which MXMNet and PAMNet share: a global and a local graph.

The global graph connects all atoms within a cutoff and has distances. The local graph has the
covalent bonds, with distances and angles. Zhang et al. 2020, "Molecular Mechanics-Driven Graph
Neural Network with Multiplex Graph for Molecular Structures" (MXMNet); Zhang et al. 2023, "A
universal framework for accurate and efficient geometric deep learning of molecular systems"
(PAMNet).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch, edge_vectors, edges_within, two_hop_pairs
from lkm_tune.models.bases import BesselRadial, SphericalBessel, kinked_envelope
from lkm_tune.models.blocks import MLP, EdgeMLP, EdgeStep, ElementRows
from lkm_tune.models.output import MoleculeModel
from lkm_tune.models.setting_checks import checked_elements
from lkm_tune.models.settings import MXMNetSettings


@dataclass(frozen=True, eq=False)
class GlobalGraph:
    """Directed edges a <- b within the global cutoff; both edges of a pair are adjacent.

    The features of a pair depend on its distance only, which both directions share.

    Attributes:
        a: int64 [E].
        b: int64 [E].
        pair: number of the pair of each edge, int64 [E].
        features: features of the distance of a pair [E/2, D].
    """

    a: Tensor
    b: Tensor
    pair: Tensor
    features: Tensor

    def spread(self, v: Tensor, step: EdgeStep) -> Tensor:
        """v_a + sum_b w_ab * mlp([v_a | v_b | g_ab]), v [N, D], `step` = mlp(features, weight)."""
        return step(v, self.a, self.b, self.pair, onto=v)


@dataclass(frozen=True, eq=False)
class EdgePairs:
    """Pairs (e, f) of directed bonds that share an atom; the message of f goes to e.

    Attributes:
        e: numbers of bonds, int64 [T].
        f: numbers of bonds, int64 [T].
        kind: the row of `features` for each pair, int64 [T].
        features: features of the length of f and the angle between e and f [K, D].
    """

    e: Tensor
    f: Tensor
    kind: Tensor
    features: Tensor

    def deliver(self, onto: Tensor, sent: Tensor, mlp: MLP) -> Tensor:
        """onto_e + sum_f sent_f * mlp(features_(e,f)), onto and sent [B, D]."""
        return mlp.times(self.features, sent, self.f, self.kind, self.e, onto)

    def joined(self, other: "EdgePairs") -> "EdgePairs":
        """These pairs and the pairs of `other`."""
        return EdgePairs(
            torch.cat((self.e, other.e)),
            torch.cat((self.f, other.f)),
            torch.cat((self.kind, other.kind + len(self.features))),
            torch.cat((self.features, other.features)),
        )


@dataclass(frozen=True, eq=False)
class LocalGraph:
    """Directed bonds s -> t. Both directions share features of the length.

    Attributes:
        source: int64 [B].
        target: int64 [B].
        bond: number of the undirected bond, int64 [B].
        features: features of the length of a bond, one row for both directions [B/2, D].
        two_hop: pairs e = (j -> i), f = (k -> j), k != i.
        one_hop: pairs that enter one atom, including e = f.
    """

    source: Tensor
    target: Tensor
    bond: Tensor
    features: Tensor
    two_hop: EdgePairs
    one_hop: EdgePairs

    @cached_property
    def pairs(self) -> EdgePairs:
        """The two-hop and the one-hop pairs together."""
        return self.two_hop.joined(self.one_hop)

    def along(self, v: Tensor, mlp: EdgeMLP, weight: Tensor | None = None) -> Tensor:
        """mlp([v_t | v_s | q]) for each bond [B, D], times `weight` q if it is given."""
        step: EdgeStep = mlp(self.features, weight)
        return step(v, self.target, self.source, self.bond)

    def reweigh(self, sent: Tensor, mlp: MLP, values: Tensor) -> Tensor:
        """mlp(sent) * values for each bond [B, D], sent [B, D] and values [B/2, D]."""
        each = _numbers(sent.shape[0], sent)
        return mlp.times(sent, values, self.bond, each)

    def arrive(self, onto: Tensor, values: Tensor, sent: Tensor) -> Tensor:
        """onto_t + the sum over bonds that enter t of values * sent.

        Args:
            onto: [N, D].
            values: one row for both directions of a bond [B/2, D].
            sent: one row for each directed bond [B, D].
        """
        return onto.index_add(0, self.target, values.index_select(0, self.bond) * sent)


class MultiplexNet(MoleculeModel):
    """The common parts of MXMNet and PAMNet: settings, atom embedding, graphs and bases."""

    def __init__(self, settings: MXMNetSettings) -> None:
        """Build the shared parts."""
        super().__init__()
        s = settings
        self.cutoff, self.layers = float(s.cutoff), s.layers
        self.element_rows = ElementRows(checked_elements(s.elements))
        self.embeddings = nn.Parameter(torch.empty(len(self.element_rows.elements), s.hidden))
        nn.init.uniform_(self.embeddings, -math.sqrt(3), math.sqrt(3))
        envelope = (s.envelope_exponent, kinked_envelope)
        self.rbf_g = BesselRadial(s.num_rbf, s.cutoff, *envelope)
        self.rbf_l = BesselRadial(s.num_rbf, s.cutoff_local, *envelope)
        self.sbf = SphericalBessel(s.num_spherical, s.num_radial, s.cutoff_local, *envelope)

    def embed(self, batch: MoleculeBatch) -> Tensor:
        """The first atom states [N, D]."""
        return self.embeddings.index_select(0, self.element_rows(batch.z))

    def global_graph(self, batch: MoleculeBatch, mlp: MLP) -> GlobalGraph:
        """The pairs within the cutoff, their radial functions passed through `mlp`."""
        edge_index = edges_within(batch, self.cutoff)
        pairs = edge_index[:, edge_index[0] < edge_index[1]]
        _, distance = edge_vectors(batch.pos, pairs)
        ends = pairs.t()
        numbers = _numbers(pairs.shape[1], pairs)
        return GlobalGraph(
            a=ends.flatten(),
            b=ends.flip(1).flatten(),
            pair=numbers.repeat_interleave(2),
            features=mlp(self.rbf_g(distance)),
        )

    def local_graph(
        self, batch: MoleculeBatch, *, mlp: MLP, two_hop_mlp: MLP, one_hop_mlp: MLP
    ) -> LocalGraph:
        """The bonds and their pairs, each with its basis functions passed through its MLP.

        The angle of a pair is the angle between r_t - r_s of e and r_t - r_s of f (two-hop) or of
        the reverse of f (one-hop). The length is the length of f.
        """
        bonds, bond, one_way = _by_bond(batch.bond_index, batch.n_atoms)
        vector, distance = edge_vectors(batch.pos, bonds)
        unit, length = vector / distance.unsqueeze(-1), distance.index_select(0, one_way)
        after, before = two_hop_pairs(bonds, batch.n_atoms)
        count, each = before.shape[0], _numbers(bonds.shape[1], bond)
        # Both directions of a bond are adjacent: e ^ 1 is the reverse of e. If (e, f) is a two-hop
        # pair, (e ^ 1, f) is a one-hop pair with the same angle and length. Pairs of a bond with
        # itself have equal features for both directions.
        e, f = torch.cat((after, one_way ^ 1)), torch.cat((before, one_way))
        cosine = (unit.index_select(0, e) * unit.index_select(0, f)).sum(dim=-1)
        bases = self.sbf(length, bond.index_select(0, f), cosine)
        return LocalGraph(
            source=bonds[0],
            target=bonds[1],
            bond=bond,
            features=mlp(self.rbf_l(length)),
            two_hop=EdgePairs(after, before, _numbers(count, bond), two_hop_mlp(bases[:count])),
            one_hop=EdgePairs(
                torch.cat((after ^ 1, each)),
                torch.cat((before, each)),
                torch.cat((_numbers(count, bond), bond + count)),
                one_hop_mlp(bases),
            ),
        )


def _by_bond(bonds: Tensor, n_atoms: int) -> tuple[Tensor, Tensor, Tensor]:
    """Directed bonds in an order with both directions of each bond adjacent.

    Returns:
        The bonds in that order [2, B], the number of each bond [B], and one direction of each
        [B/2].
    """
    key = bonds.amin(0) * n_atoms + bonds.amax(0)
    key, order = torch.sort(key, stable=True)
    _, bond, count = torch.unique_consecutive(key, return_inverse=True, return_counts=True)
    return bonds.index_select(1, order), bond, count.cumsum(0) - count


def _numbers(count: int, like: Tensor) -> Tensor:
    """0 .. count - 1 on the device of `like`."""
    return torch.arange(count, device=like.device)
