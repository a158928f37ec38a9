"""MXMNet: alternating messages along all near pairs and along bonds.

Zhang, Liu, Xie 2020, "Molecular Mechanics-Driven Graph Neural Network with Multiplex Graph for
Molecular Structures", arXiv:2011.07457, following the authors' published code.
"""

import torch
from torch import Tensor, nn

from lkm_tune.models.blocks import MLP, EdgeMLP, Residual
from lkm_tune.models.multiplex import GlobalGraph, LocalGraph, MultiplexNet
from lkm_tune.models.multiplex_batch import MultiplexBatch
from lkm_tune.models.output import ModelOutput, sum_over_atoms
from lkm_tune.models.settings import MXMNetSettings


class MXMNet(MultiplexNet):
    """h <- Global_l(h); (h, y_l) <- Local_l(h) for l = 1 .. L; prediction = sum_atoms sum_l y_l.

    Atom states: after each global and each local layer (`layers="both"`, 2L states) or after each
    local layer (`"local"`, L states). The energy jumps where a pair of atoms crosses the cutoff:
    messages pass through biased maps, so they do not end at zero there (as published).
    """

    def __init__(self, settings: MXMNetSettings) -> None:
        """Build with torch's default initialisation."""
        super().__init__(settings)
        s = settings
        self.rbf_g_mlp = MLP(s.num_rbf, s.hidden)
        self.rbf_l_mlp = MLP(s.num_rbf, s.hidden)
        self.sbf_1_mlp = MLP(s.num_spherical * s.num_radial, s.hidden)
        self.sbf_2_mlp = MLP(s.num_spherical * s.num_radial, s.hidden)
        self.global_layers = nn.ModuleList(GlobalLayer(s.hidden) for _ in range(s.depth))
        self.local_layers = nn.ModuleList(LocalLayer(s.hidden, s.outputs) for _ in range(s.depth))

    def compute(self, batch: MultiplexBatch) -> ModelOutput:
        """See `MultiplexNet`."""
        h = self.embed(batch)
        near = self.global_graph(batch, self.rbf_g_mlp)
        bonds = self.local_graph(
            batch, mlp=self.rbf_l_mlp, two_hop_mlp=self.sbf_1_mlp, one_hop_mlp=self.sbf_2_mlp
        )
        states, values = [], []
        for global_layer, local_layer in zip(self.global_layers, self.local_layers, strict=True):
            h = global_layer(h, near)
            states.append(h)
            h, y = local_layer(h, bonds)
            states.append(h)
            values.append(y)
        prediction = sum_over_atoms(sum(values[1:], start=values[0]), batch)
        return ModelOutput(prediction, states if self.layers == "both" else states[1::2])


class GlobalLayer(nn.Module):
    """Two propagations over the global graph with the same weights, an update between them."""

    def __init__(self, size: int) -> None:
        """Build for states of `size` = D."""
        super().__init__()
        self.h_mlp = MLP(size, size)
        self.res1 = Residual(size)
        self.res2 = Residual(size)
        self.res3 = Residual(size)
        self.mlp = MLP(size, size)
        self.x_edge_mlp = EdgeMLP(size)
        self.linear = nn.Linear(size, size, bias=False)

    def forward(self, h: Tensor, graph: GlobalGraph) -> Tensor:
        """States [N, D] to states [N, D]."""
        step = self.x_edge_mlp(graph.features, self.linear.weight)
        v = graph.spread(self.h_mlp(h), step)
        v = self.mlp(self.res1(v), skip=h)
        v = self.res3(self.res2(v))
        return graph.spread(v, step)


class LocalLayer(nn.Module):
    """Messages of bonds, first over two-hop and then over one-hop pairs, and the layer's output."""

    def __init__(self, size: int, outputs: int) -> None:
        """Build for states of `size` = D and P = `outputs` values an atom."""
        super().__init__()
        self.h_mlp = MLP(size, size)
        self.mlp_kj = EdgeMLP(size)
        self.mlp_ji_1 = EdgeMLP(size)
        self.mlp_ji_2 = MLP(size, size)
        self.mlp_jj = MLP(size, size)
        self.mlp_sbf1 = MLP(size, size, size)
        self.mlp_sbf2 = MLP(size, size, size)
        self.lin_rbf1 = nn.Linear(size, size, bias=False)
        self.lin_rbf2 = nn.Linear(size, size, bias=False)
        self.res1 = Residual(size)
        self.res2 = Residual(size)
        self.res3 = Residual(size)
        self.lin_rbf_out = nn.Linear(size, size, bias=False)
        self.mlp = MLP(size, size)
        self.y_mlp = MLP(size, size, size, size)
        self.y_W = nn.Linear(size, outputs)

    def forward(self, h: Tensor, graph: LocalGraph) -> tuple[Tensor, Tensor]:
        """States [N, D] to new states [N, D] and the layer's values [N, P]."""
        m2 = self._bond_messages(self.h_mlp(h), graph)
        w = graph.arrive(torch.zeros_like(h), self.lin_rbf_out(graph.features), m2)
        w = self.mlp(self.res1(w), skip=h)
        w = self.res3(self.res2(w))
        return w, self.y_W(self.y_mlp(w))

    def _bond_messages(self, v: Tensor, graph: LocalGraph) -> Tensor:
        onward = graph.along(v, self.mlp_kj, self.lin_rbf1.weight)
        m1 = graph.over_two_hops(graph.along(v, self.mlp_ji_1), onward, self.mlp_sbf1)
        sideways = graph.reweigh(m1, self.mlp_jj, self.lin_rbf2(graph.features))
        return graph.over_one_hop(self.mlp_ji_2(m1), sideways, self.mlp_sbf2)
