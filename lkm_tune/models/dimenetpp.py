"""DimeNet++: directional messages on the edges of the radius graph.

Gasteiger et al. 2020, "Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium
Molecules", arXiv:2011.14115; details as in PyTorch Geometric, without a limit on the number of
neighbours.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.graphs import MoleculeBatch, edge_vectors, edges_within
from lkm_tune.models.angular import AngularSum, EdgeTables, angular_sum, edge_tables
from lkm_tune.models.bases import BesselRadial, SphericalBessel, smooth_envelope
from lkm_tune.models.fused import dense
from lkm_tune.models.output import ModelOutput, MoleculeModel, sum_over_atoms
from lkm_tune.models.padding import Sizes, padded, padding_edges, sizes_of, with_atoms
from lkm_tune.models.settings import DimeNetSettings

EMBEDDED_ELEMENTS = 95
"""Rows of the published embedding table, indexed by the atomic number itself."""


@dataclass(frozen=True, eq=False)
class DirectedBatch(MoleculeBatch):
    """A batch with the edges of DimeNet++ and their places at atoms.

    Attributes:
        near_cutoff: the cutoff of `near` in Å.
        near: directed edges within that cutoff, int64 [2, E].
        tables: the edges by atom.
    """

    near_cutoff: float
    near: Tensor
    tables: EdgeTables


@sizes_of.register
def _(batch: DirectedBatch) -> Sizes:
    return {"atoms": batch.n_atoms, "edges": batch.near.shape[1]}


@padded.register
def _(batch: DirectedBatch, sizes: Sizes) -> DirectedBatch:
    wider = with_atoms(batch, sizes["atoms"])
    more = padding_edges(batch, wider, sizes["edges"] - batch.near.shape[1])
    return wider.extended(
        DirectedBatch,
        near_cutoff=batch.near_cutoff,
        near=torch.cat((batch.near, more), dim=1),
        tables=batch.tables.padded(wider.n_atoms, more.shape[1]),
    )


class DimeNetPlusPlus(MoleculeModel):
    """x <- Embedding; x <- Interaction_b(x), b = 1 .. L; prediction = sum_atoms sum_b Output_b(x).

    The state x lives on directed edges, [E, D]. The L + 1 output blocks sum it to atoms; the atom
    states are these sums S (`layers="sum"`, [N, D]) or the input of the last linear map of each
    output block (`"hidden"`, [N, out_emb_channels]). Forces are continuous at the cutoff.
    """

    def __init__(self, settings: DimeNetSettings) -> None:
        """Build and initialise as published."""
        super().__init__()
        s = settings
        self.cutoff, self.layers = float(s.cutoff), s.layers
        range_and_envelope = (s.cutoff, s.envelope_exponent, smooth_envelope)
        self.rbf = BesselRadial(s.num_radial, *range_and_envelope)
        self.sbf = SphericalBessel(s.num_spherical, s.num_radial, *range_and_envelope)
        self.emb = EmbeddingBlock(s.hidden, s.num_radial)
        self.output_blocks = nn.ModuleList(OutputBlock(s) for _ in range(s.depth + 1))
        self.interaction_blocks = nn.ModuleList(InteractionBlock(s) for _ in range(s.depth))

    def prepare(self, batch: MoleculeBatch) -> DirectedBatch:
        """The edges and their tables (see `MoleculeModel`).

        Raises:
            ValueError: for an atomic number above 94.
        """
        if isinstance(batch, DirectedBatch) and batch.near_cutoff == self.cutoff:
            return batch
        if bool((batch.z >= EMBEDDED_ELEMENTS).any()):
            raise ValueError(
                f"this model knows the elements with Z in 1 .. {EMBEDDED_ELEMENTS - 1}, "
                f"but got Z = {int(batch.z.max())}"
            )
        near = edges_within(batch, self.cutoff)
        tables = edge_tables(near, batch.n_atoms)
        return batch.extended(DirectedBatch, near_cutoff=self.cutoff, near=near, tables=tables)

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        """Predict for a batch, which is prepared first.

        Raises:
            ValueError: for an atomic number above 94.
        """
        return self.compute(self.prepare(batch))

    def compute(self, batch: DirectedBatch) -> ModelOutput:
        """Predict for a prepared batch; no shape depends on its numbers."""
        edge_index = batch.near
        vector, distance = edge_vectors(batch.pos, edge_index)
        rbf = self.rbf(distance)
        radial = self.sbf.radial(distance)
        unit = vector / distance.unsqueeze(-1)
        angles = angular_sum(unit, batch.tables, self.sbf.num_spherical)

        x = self.emb(batch.z, rbf, edge_index)
        values, sums, hiddens = [], [], []
        for block, output in enumerate(self.output_blocks):
            if block > 0:
                x = self.interaction_blocks[block - 1](x, rbf, radial, angles)
            total, inner, value = output(x, rbf, edge_index[1], batch.n_atoms)
            sums.append(total)
            hiddens.append(inner)
            values.append(value)
        prediction = sum_over_atoms(sum(values[1:], start=values[0]), batch)
        return ModelOutput(prediction, sums if self.layers == "sum" else hiddens)


class EmbeddingBlock(nn.Module):
    """x_e = σ(Lin([E_{z_i} | E_{z_j} | σ(Lin rbf_e)])) for e = (j -> i)."""

    def __init__(self, hidden: int, num_radial: int) -> None:
        """Build with torch's default initialisation."""
        super().__init__()
        self.emb = nn.Embedding(EMBEDDED_ELEMENTS, hidden)
        nn.init.uniform_(self.emb.weight, -math.sqrt(3), math.sqrt(3))
        self.lin_rbf = nn.Linear(num_radial, hidden)
        self.lin = nn.Linear(3 * hidden, hidden)

    def forward(self, z: Tensor, rbf: Tensor, edge_index: Tensor) -> Tensor:
        """Atomic numbers [N] and radial functions [E, Nr] to states [E, D]."""
        atoms = self.emb(z)
        to, of, on = self.lin.weight.chunk(3, dim=1)
        edge = functional.linear(dense(rbf, [_affine(self.lin_rbf)]), on, self.lin.bias)
        target = functional.linear(atoms, to).index_select(0, edge_index[1])
        source = functional.linear(atoms, of).index_select(0, edge_index[0])
        return functional.silu(target + source + edge)


class OutputBlock(nn.Module):
    """S_a = sum_{e -> a} Lin(rbf_e) x_e; U = Lin(S), then dense layers; value Lin(U)."""

    def __init__(self, settings: DimeNetSettings) -> None:
        """Build with Glorot orthogonal weights; the last map begins at 0."""
        super().__init__()
        size = settings.out_emb_channels
        self.lin_rbf = GlorotOrthogonal(settings.num_radial, settings.hidden, bias=False)
        self.lin_up = GlorotOrthogonal(settings.hidden, size, bias=False)
        self.lins = nn.ModuleList(
            GlorotOrthogonal(size, size) for _ in range(settings.num_output_layers)
        )
        self.lin = nn.Linear(size, settings.outputs, bias=False)
        nn.init.zeros_(self.lin.weight)

    def forward(
        self, x: Tensor, rbf: Tensor, target: Tensor, n_atoms: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Edge states [E, D] to S [N, D], the last U [N, out_emb_channels] and values [N, P]."""
        message = self.lin_rbf(rbf) * x
        total = message.new_zeros(n_atoms, message.shape[1]).index_add(0, target, message)
        inner = self.lin_up(total)
        if len(self.lins):
            inner = dense(inner, [_affine(lin) for lin in self.lins])
        return total, inner, self.lin(inner)


class InteractionBlock(nn.Module):
    """Messages over angles, then an update of the edge states (the paper's figure 1)."""

    def __init__(self, settings: DimeNetSettings) -> None:
        """Build with Glorot orthogonal weights and biases of 0."""
        super().__init__()
        s = settings

        def linear(size_in: int, size_out: int, bias: bool = False) -> nn.Linear:
            return GlorotOrthogonal(size_in, size_out, bias=bias)

        self.lin_rbf1 = linear(s.num_radial, s.basis_emb_size)
        self.lin_rbf2 = linear(s.basis_emb_size, s.hidden)
        self.lin_sbf1 = linear(s.num_spherical * s.num_radial, s.basis_emb_size)
        self.lin_sbf2 = linear(s.basis_emb_size, s.int_emb_size)
        self.lin_kj = linear(s.hidden, s.hidden, bias=True)
        self.lin_ji = linear(s.hidden, s.hidden, bias=True)
        self.lin_down = linear(s.hidden, s.int_emb_size)
        self.lin_up = linear(s.int_emb_size, s.hidden)
        self.layers_before_skip = nn.ModuleList(
            DenseResidual(s.hidden) for _ in range(s.num_before_skip)
        )
        self.lin = linear(s.hidden, s.hidden, bias=True)
        self.layers_after_skip = nn.ModuleList(
            DenseResidual(s.hidden) for _ in range(s.num_after_skip)
        )

    def forward(self, x: Tensor, rbf: Tensor, radial: Tensor, angles: AngularSum) -> Tensor:
        """Edge states [E, D], bases [E, Nr] and [E, Ls, Nr] to edge states [E, D]."""
        messages = dense(x, [_affine(self.lin_kj)]) * self.lin_rbf2(self.lin_rbf1(rbf))
        messages = dense(messages, [_affine(self.lin_down)])
        gathered = angles(messages, self._embedded(radial))
        y = dense(gathered, [_affine(self.lin_up)], skip=dense(x, [_affine(self.lin_ji)]))
        for layer in self.layers_before_skip:
            y = layer(y)
        x = dense(y, [_affine(self.lin)], skip=x)
        for layer in self.layers_after_skip:
            x = layer(x)
        return x

    def _embedded(self, radial: Tensor) -> Tensor:
        """lin_sbf2(lin_sbf1(.)) for each l apart: [E, Ls, Nr] to [E, Ls, int_emb_size]."""
        both = (self.lin_sbf2.weight @ self.lin_sbf1.weight).view(-1, *radial.shape[1:])
        return torch.bmm(radial.transpose(0, 1), both.permute(1, 2, 0)).transpose(0, 1)


class DenseResidual(nn.Module):
    """x + σ(Lin σ(Lin x))."""

    def __init__(self, size: int) -> None:
        """Build for states of `size` = D with Glorot orthogonal weights and biases of 0."""
        super().__init__()
        self.lin1 = GlorotOrthogonal(size, size)
        self.lin2 = GlorotOrthogonal(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """[E, D] to [E, D]."""
        return dense(x, [_affine(self.lin1), _affine(self.lin2)], skip=x)


def _affine(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear map."""
    linear = cast(nn.Linear, module)
    return linear.weight, linear.bias


class GlorotOrthogonal(nn.Linear):
    """A linear map: an orthogonal matrix of the variance 2 / (size_in + size_out), the bias 0."""

    def reset_parameters(self) -> None:
        """Draw the matrix; torch calls this when it builds the map."""
        size_out, size_in = self.weight.shape
        with torch.no_grad():
            drawn = _orthogonal(max(size_out, size_in), min(size_out, size_in))
            weight = drawn if size_out >= size_in else drawn.T
            variance = weight.var() if weight.numel() > 1 else torch.ones(())
            self.weight.copy_(weight * (2 / ((size_in + size_out) * variance)).sqrt())
            if self.bias is not None:
                nn.init.zeros_(self.bias)


def _orthogonal(rows: int, columns: int) -> Tensor:
    """A matrix [rows, columns] with orthonormal columns, uniformly distributed; rows >= columns.

    The product of reflections at random vectors of falling length (Stewart 1980, "The efficient
    generation of random orthogonal matrices", SIAM J. Numer. Anal. 17, 403, section 3): the result
    of a QR decomposition of a random matrix without the decomposition, which takes most of the
    time that the model takes to build.
    """
    x = torch.randn(rows, columns).tril()
    first, norm = x.diagonal(), x.norm(dim=0)
    sign = torch.where(first < 0, -1.0, 1.0)
    # v = x + sign |x| e, scaled to 1 at its first place; the reflection is 1 - tau v v^T.
    lead = first + sign * norm
    tau = 2 / ((norm.square() - first.square()) / lead.square() + 1)
    product: Tensor = torch.linalg.householder_product(x / lead, tau)
    return product * -sign
