"""PAMNet: alternating global and local layers; attention fuses their outputs.

Zhang, Liu, Xie 2023, "A universal framework for accurate and efficient geometric deep learning of
molecular systems", Scientific Reports 13, 19171, following the authors' published code for QM9.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.models.blocks import MLP, EdgeMLP, Residual
from lkm_tune.models.multiplex import GlobalGraph, LocalGraph, MultiplexNet
from lkm_tune.models.multiplex_batch import MultiplexBatch
from lkm_tune.models.output import ModelOutput, sum_over_atoms
from lkm_tune.models.settings import PAMNetSettings


class PAMNet(MultiplexNet):
    """h <- Global_l(h); h <- Local_l(h) for l = 1 .. L, each with values p and a score s.

    prediction = sum_atoms sum_l (w^g p^g_l + w^l p^l_l), where (w^g, w^l) is the softmax over
    leaky_relu(s^g_l, s^l_l) with slope 0.2. Atom states: after each global and each local layer
    (`layers="both"`, 2L states) or after each local layer (`"local"`, L states). The published
    network's unused projection `init_linear` is left out. The energy jumps where a pair of atoms
    crosses the cutoff: messages pass through biased maps, so they are not zero there (as
    published).
    """

    def __init__(self, settings: PAMNetSettings) -> None:
        """Build and initialise as published (Glorot for the scores)."""
        super().__init__(settings)
        s = settings
        self.mlp_rbf_g = MLP(s.num_rbf, s.hidden)
        self.mlp_rbf_l = MLP(s.num_rbf, s.hidden)
        self.mlp_sbf1 = MLP(s.num_spherical * s.num_radial, s.hidden)
        self.mlp_sbf2 = MLP(s.num_spherical * s.num_radial, s.hidden)
        self.global_layer = nn.ModuleList(GlobalLayer(s.hidden, s.outputs) for _ in range(s.depth))
        self.local_layer = nn.ModuleList(LocalLayer(s.hidden, s.outputs) for _ in range(s.depth))

    def compute(self, batch: MultiplexBatch) -> ModelOutput:
        """See `MultiplexNet`."""
        h = self.embed(batch)
        near = self.global_graph(batch, self.mlp_rbf_g)
        bonds = self.local_graph(
            batch, mlp=self.mlp_rbf_l, two_hop_mlp=self.mlp_sbf2, one_hop_mlp=self.mlp_sbf1
        )
        states, values, scores = [], [], []
        for global_layer, local_layer in zip(self.global_layer, self.local_layer, strict=True):
            for layer, graph in ((global_layer, near), (local_layer, bonds)):
                h, value, score = layer(h, graph)
                states.append(h)
                values.append(value)
                scores.append(score)
        prediction = sum_over_atoms(_fuse(values, scores), batch)
        return ModelOutput(prediction, states if self.layers == "both" else states[1::2])


def _fuse(values: list[Tensor], scores: list[Tensor]) -> Tensor:
    """Weigh global against local values at each depth, and sum: [N, P] and [N, 1] to [N, P]."""
    n_atoms, depth = values[0].shape[0], len(values) // 2
    score = functional.leaky_relu(torch.stack(scores, dim=1), 0.2).view(n_atoms, depth, 2, 1)
    value = torch.stack(values, dim=1).view(n_atoms, depth, 2, -1)
    return (torch.softmax(score, dim=2) * value).sum(dim=(1, 2))


class Head(nn.Module):
    """The end of either layer: three residual blocks, then values and a score.

    With o = MLP(D, D, D, D)(v): values Lin(D, P)(o) and score o . W.
    """

    def __init__(self, size: int, outputs: int) -> None:
        """Build for states of `size` = D and P = `outputs` values an atom."""
        super().__init__()
        self.mlp_x1 = MLP(size, size)
        self.mlp_x2 = MLP(size, size)
        self.res1 = Residual(size)
        self.res2 = Residual(size)
        self.res3 = Residual(size)
        self.mlp_out = MLP(size, size, size, size)
        self.W_out = nn.Linear(size, outputs)
        self.W = nn.Parameter(torch.empty(size, 1))
        nn.init.xavier_uniform_(self.W)

    def finish(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From gathered messages v and the layer's input h [N, D]: state, values, score."""
        v = self.res1(self.mlp_x2(v)) + h
        v = self.res3(self.res2(v))
        o = self.mlp_out(v)
        return v, self.W_out(o), o @ self.W


class GlobalLayer(Head):
    """One propagation over the global graph."""

    def __init__(self, size: int, outputs: int) -> None:
        """Build for states of `size` = D and P = `outputs` values an atom."""
        super().__init__(size, outputs)
        self.mlp_m = EdgeMLP(size)
        self.W_edge_attr = nn.Linear(size, size, bias=False)

    def forward(self, h: Tensor, graph: GlobalGraph) -> tuple[Tensor, Tensor, Tensor]:
        """States [N, D] to new states [N, D], values [N, P] and scores [N, 1]."""
        step = self.mlp_m(graph.features, self.W_edge_attr.weight)
        return self.finish(graph.spread(self.mlp_x1(h), step), h)


class LocalLayer(Head):
    """Messages of bonds over two-hop and one-hop pairs together."""

    def __init__(self, size: int, outputs: int) -> None:
        """Build for states of `size` = D and P = `outputs` values an atom."""
        super().__init__(size, outputs)
        self.mlp_m_ji = EdgeMLP(size)
        self.mlp_m_kj = EdgeMLP(size)
        self.mlp_sbf = MLP(size, size, size)
        self.lin_rbf = nn.Linear(size, size, bias=False)
        self.lin_rbf_out = nn.Linear(size, size, bias=False)

    def forward(self, h: Tensor, graph: LocalGraph) -> tuple[Tensor, Tensor, Tensor]:
        """States [N, D] to new states [N, D], values [N, P] and scores [N, 1]."""
        v = self.mlp_x1(h)
        onward = graph.along(v, self.mlp_m_kj, self.lin_rbf.weight)
        m = graph.along(v, self.mlp_m_ji)
        m = graph.over_pairs(m, onward, self.mlp_sbf)
        v = graph.arrive(v, self.lin_rbf_out(graph.features), m)
        return self.finish(v, h)
