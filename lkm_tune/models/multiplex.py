"""The multiplex view of a molecule, which MXMNet and PAMNet share: a global and a local graph.

The global graph connects all atoms within a cutoff and has distances. The local graph has the
covalent bonds, with distances and angles. Zhang et al. 2020, "Molecular Mechanics-Driven Graph
Neural Network with Multiplex Graph for Molecular Structures" (MXMNet); Zhang et al. 2023, "A
universal framework for accurate and efficient geometric deep learning of molecular systems"
(PAMNet).
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch, edge_vectors
from lkm_tune.models.bases import BesselRadial, SphericalBessel, kinked_envelope
from lkm_tune.models.blocks import MLP, EdgeMLP, EdgeStep, ElementRows
from lkm_tune.models.multiplex_batch import MultiplexBatch, PairIndex, multiplex_batch
from lkm_tune.models.output import ModelOutput, MoleculeModel
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
class LocalGraph:
    """Directed bonds s -> t and pairs of bonds that share an atom, with their features.

    Attributes:
        index: the numbers of the bonds and of the pairs.
        features: features of the length of a bond, one row for both directions [B/2, D].
        two_hop: features of the length of f and the angle of each two-hop pair (e, f).
        one_hop: the same for each kind of one-hop pairs.
    """

    index: MultiplexBatch
    features: Tensor
    two_hop: Tensor
    one_hop: Tensor

    def over_two_hops(self, onto: Tensor, sent: Tensor, mlp: MLP) -> Tensor:
        """onto_e + sum_f sent_f * mlp(features_(e,f)) over two-hop pairs, onto, sent [B, D]."""
        return _deliver(self.index.two_hop, self.two_hop, onto, sent, mlp)

    def over_one_hop(self, onto: Tensor, sent: Tensor, mlp: MLP) -> Tensor:
        """The same over one-hop pairs."""
        return _deliver(self.index.one_hop, self.one_hop, onto, sent, mlp)

    def over_pairs(self, onto: Tensor, sent: Tensor, mlp: MLP) -> Tensor:
        """The same over two-hop and one-hop pairs together."""
        return _deliver(self.index.pairs, self._both, onto, sent, mlp)

    @cached_property
    def _both(self) -> Tensor:
        return torch.cat((self.two_hop, self.one_hop))

    def along(self, v: Tensor, mlp: EdgeMLP, weight: Tensor | None = None) -> Tensor:
        """mlp([v_t | v_s | q]) for each bond [B, D], times `weight` q if it is given."""
        step: EdgeStep = mlp(self.features, weight)
        source, target = self.index.bonds
        return step(v, target, source, self.index.bond)

    def reweigh(self, sent: Tensor, mlp: MLP, values: Tensor) -> Tensor:
        """mlp(sent) * values for each bond [B, D], sent [B, D] and values [B/2, D]."""
        return mlp.times(sent, values, self.index.bond, self.index.every_bond)

    def arrive(self, onto: Tensor, values: Tensor, sent: Tensor) -> Tensor:
        """onto_t + the sum over bonds that enter t of values * sent.

        Args:
            onto: [N, D].
            values: one row for both directions of a bond [B/2, D].
            sent: one row for each directed bond [B, D].
        """
        index = self.index
        return onto.index_add(0, index.bonds[1], values.index_select(0, index.bond) * sent)


def _deliver(index: PairIndex, features: Tensor, onto: Tensor, sent: Tensor, mlp: MLP) -> Tensor:
    return mlp.times(features, sent, index.f, index.kind, index.e, onto)


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

    def prepare(self, batch: MoleculeBatch) -> MultiplexBatch:
        """The indices of both graphs (see `MoleculeModel`).

        Raises:
            ValueError: for an element that is not in `elements`.
        """
        rows = self.element_rows
        known = (self.cutoff, rows.elements)
        if isinstance(batch, MultiplexBatch) and (batch.near_cutoff, batch.elements) == known:
            return batch
        return multiplex_batch(batch, self.cutoff, rows)

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        """Predict for a batch, which is prepared first.

        Raises:
            ValueError: for an element that is not in `elements`.
        """
        return self.compute(self.prepare(batch))

    @abstractmethod
    def compute(self, batch: MultiplexBatch) -> ModelOutput:
        """Predict for a prepared batch; no shape depends on its numbers."""

    def embed(self, batch: MultiplexBatch) -> Tensor:
        """The first atom states [N, D]."""
        return self.embeddings.index_select(0, batch.rows)

    def global_graph(self, batch: MultiplexBatch, mlp: MLP) -> GlobalGraph:
        """The pairs within the cutoff, their radial functions passed through `mlp`."""
        _, distance = edge_vectors(batch.pos, batch.near)
        return GlobalGraph(batch.a, batch.b, batch.pair, mlp(self.rbf_g(distance)))

    def local_graph(
        self, batch: MultiplexBatch, *, mlp: MLP, two_hop_mlp: MLP, one_hop_mlp: MLP
    ) -> LocalGraph:
        """The bonds and their pairs, each with its basis functions passed through its MLP.

        The angle of a pair is the angle between r_t - r_s of e and r_t - r_s of f (two-hop) or of
        the reverse of f (one-hop). The length is the length of f.
        """
        vector, distance = edge_vectors(batch.pos, batch.bonds)
        unit, length = vector / distance.unsqueeze(-1), distance.index_select(0, batch.one_way)
        e, f = unit.index_select(0, batch.angle_e), unit.index_select(0, batch.angle_f)
        bases = self.sbf(length, batch.angle_length, (e * f).sum(dim=-1))
        walks = batch.two_hop.e.shape[0]
        return LocalGraph(
            index=batch,
            features=mlp(self.rbf_l(length)),
            two_hop=two_hop_mlp(bases[:walks]),
            one_hop=one_hop_mlp(bases),
        )
