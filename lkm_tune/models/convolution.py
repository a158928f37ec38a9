"""GCN, GAT and GIN: PyTorch Geometric's graph convolutions on molecules and on nodes.

They use edges and elements, but no distances and no angles. Each convolution gives one state for
mixing.
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.graphs import MoleculeBatch, edges_within
from lkm_tune.models.blocks import ElementRows
from lkm_tune.models.output import ModelOutput, MoleculeModel, mean_over_atoms, sum_over_atoms
from lkm_tune.models.padding import (
    Sizes,
    padded,
    padding_edges,
    repeated,
    sizes_of,
    with_atoms,
)
from lkm_tune.models.setting_checks import check_choice, checked_elements
from lkm_tune.models.settings import (
    NODE_MODELS,
    GATSettings,
    GCNSettings,
    NodeSettings,
)


@dataclass(frozen=True, eq=False)
class ConvolutionEdges:
    """The edges of a graph as the convolutions of one kind use them.

    Attributes:
        kind: a name of `NODE_MODELS`.
        index: edges, with an edge from each node to itself for GCN and GAT, int64 [2, E].
        weight: D^(-1/2) (A + I) D^(-1/2) of each edge for GCN [E]; else None.
    """

    kind: str
    index: Tensor
    weight: Tensor | None


def convolution_edges(kind: str, edge_index: Tensor, like: Tensor) -> ConvolutionEdges:
    """The edges for convolutions of a kind, made once for all layers.

    Args:
        kind: a name of `NODE_MODELS`.
        edge_index: edges, both directions of each, int64 [2, E].
        like: a tensor with one row a node, of the precision of the weights.
    """
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.utils import add_self_loops, remove_self_loops

    if kind == "gcn":
        return ConvolutionEdges(kind, *gcn_norm(edge_index, None, len(like), dtype=like.dtype))
    if kind == "gat":
        others, _ = remove_self_loops(edge_index)
        return ConvolutionEdges(kind, add_self_loops(others, num_nodes=len(like))[0], None)
    return ConvolutionEdges(kind, edge_index, None)


class ConvolutionStack(nn.Module):
    """x_l = Conv_l(h_{l-1}), h_l = Dropout(σ(x_l)), l = 1 .. L, all x_l of width D.

    σ is the ELU for GAT and the ReLU for the others, as in their papers.

    Args:
        kind: a name of `NODE_MODELS`.
        size_in: width of h_0.
        hidden: D.
        depth: L.
        layers: which states to return: "convolution", x_l, or "activation", σ(x_l).
        dropout: probability, also for the attention of GAT.
        heads: attention heads of GAT, each D / heads wide and side by side in x_l.

    Raises:
        ValueError: for another kind.
    """

    def __init__(
        self,
        kind: str,
        size_in: int,
        hidden: int,
        depth: int,
        layers: str,
        dropout: float,
        heads: int = 1,
    ) -> None:
        """Build and initialise as PyTorch Geometric does."""
        super().__init__()
        check_choice("kind", kind, NODE_MODELS)
        self.layers = layers
        self.dropout = float(dropout)
        self.activation = nn.ELU() if kind == "gat" else nn.ReLU()
        sizes = [int(size_in)] + [int(hidden)] * (depth - 1)
        self.convs = nn.ModuleList(
            _convolution(kind, size, int(hidden), int(heads), self.dropout) for size in sizes
        )

    def forward(self, h: Tensor, edges: ConvolutionEdges) -> tuple[Tensor, list[Tensor]]:
        """From h_0 [N, size_in] and the edges: h_L [N, D] and the states to mix."""
        weight = () if edges.weight is None else (edges.weight.to(h.dtype),)
        states = []
        for conv in self.convs:
            x = conv(h, edges.index, *weight)
            h = self.activation(x)
            # States before dropout: mixing should not act on its noise.
            states.append(x if self.layers == "convolution" else h)
            if self.dropout:
                h = functional.dropout(h, self.dropout, self.training)
        return h, states


def _convolution(kind: str, size_in: int, size: int, heads: int, dropout: float) -> nn.Module:
    # Imported here: the import takes seconds, and the other models do not need it.
    from torch_geometric.nn import GATConv, GCNConv, GINConv

    if kind == "gcn":
        return cast(nn.Module, GCNConv(size_in, size, normalize=False))
    if kind == "gat":
        conv = GATConv(size_in, size // heads, heads, dropout=dropout, add_self_loops=False)
        return cast(nn.Module, conv)
    mlp = nn.Sequential(nn.Linear(size_in, size), nn.ReLU(), nn.Linear(size, size))
    return cast(nn.Module, GINConv(mlp))


class NodeClassifier(nn.Module):
    """logits = Lin(h_L) of a `ConvolutionStack` on the features of nodes: one graph, such as Cora.

    Args:
        kind: a name of `NODE_MODELS`.
        settings: checked already.

    Raises:
        ValueError: for another kind.
    """

    def __init__(self, kind: str, settings: NodeSettings) -> None:
        """Build and initialise as PyTorch Geometric does."""
        super().__init__()
        s = settings
        self.kind = kind
        self.body = ConvolutionStack(
            kind, s.features, s.hidden, s.depth, s.layers, s.dropout, s.heads
        )
        self.head = nn.Linear(s.hidden, s.classes)

    def prepare(self, x: Tensor, edge_index: Tensor) -> ConvolutionEdges:
        """The edges for `forward`, from features [N, F] and edges [2, E]."""
        return convolution_edges(self.kind, edge_index, x)

    def forward(self, x: Tensor, edges: Tensor | ConvolutionEdges) -> ModelOutput:
        """Features [N, F] and edges [2, E], both directions of each, to logits [N, C].

        Edges of `prepare` spare the work on the edges; no shape depends on their numbers.
        """
        prepared = self.prepare(x, edges) if isinstance(edges, Tensor) else edges
        h, states = self.body(x, prepared)
        return ModelOutput(self.head(h), states)


@dataclass(frozen=True, eq=False)
class ConvolutionBatch(MoleculeBatch):
    """A batch with the edges of its convolutions.

    Attributes:
        choice: kind, graph, cutoff and elements of the network.
        rows: the row of the embedding of each atom, int64 [N].
        edges: the edges of the network's graph.
    """

    choice: tuple[str, str, float, tuple[int, ...]]
    rows: Tensor
    edges: ConvolutionEdges


@sizes_of.register
def _(batch: ConvolutionBatch) -> Sizes:
    return {"atoms": batch.n_atoms, "edges": batch.edges.index.shape[1]}


@padded.register
def _(batch: ConvolutionBatch, sizes: Sizes) -> ConvolutionBatch:
    wider, edges = with_atoms(batch, sizes["atoms"]), batch.edges
    more = padding_edges(batch, wider, sizes["edges"] - edges.index.shape[1])
    weight = None if edges.weight is None else functional.pad(edges.weight, (0, more.shape[1]))
    return wider.extended(
        ConvolutionBatch,
        choice=batch.choice,
        rows=repeated(batch.rows, wider.n_atoms - batch.n_atoms),
        edges=ConvolutionEdges(edges.kind, torch.cat((edges.index, more), dim=1), weight),
    )


class ConvolutionNet(MoleculeModel):
    """h_0 = Embedding(z); h_L, states = ConvolutionStack(h_0); prediction = pool_atoms MLP(h_L).

    The graph is the graph of bonds or the radius graph. Atoms are summed (`pooling="sum"`) or
    averaged. The sum is the default because most properties grow with the size of a molecule, which
    a mean cannot express, and because DimeNet++, MXMNet and PAMNet also sum.
    """

    kind: ClassVar[str]
    uses_positions = False

    def __init__(self, settings: GCNSettings, heads: int = 1) -> None:
        """Build the convolutions and the other layers."""
        super().__init__()
        s = settings
        body = ConvolutionStack(self.kind, s.hidden, s.hidden, s.depth, s.layers, s.dropout, heads)
        self.cutoff, self.graph, self.pooling = float(s.cutoff), s.graph, s.pooling
        self.needs_positions = s.needs_positions
        self.element_rows = ElementRows(checked_elements(s.elements))
        self.embedding = nn.Embedding(len(self.element_rows.elements), s.hidden)
        self.body = body
        self.head = nn.Sequential(
            nn.Linear(s.hidden, s.hidden), nn.ReLU(), nn.Linear(s.hidden, s.outputs)
        )

    def prepare(self, batch: MoleculeBatch) -> ConvolutionBatch:
        """The edges of the network's graph (see `MoleculeModel`).

        Raises:
            ValueError: for an element that is not in `elements`.
        """
        choice = (self.kind, self.graph, self.cutoff, self.element_rows.elements)
        if isinstance(batch, ConvolutionBatch) and batch.choice == choice:
            return batch
        bonds = self.graph == "bonds"
        edge_index = batch.bond_index if bonds else edges_within(batch, self.cutoff)
        edges = convolution_edges(self.kind, edge_index, batch.pos)
        rows = self.element_rows(batch.z)
        return batch.extended(ConvolutionBatch, choice=choice, rows=rows, edges=edges)

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        """Predict for a batch, which is prepared first.

        Raises:
            ValueError: for an element that is not in `elements`.
        """
        return self.compute(self.prepare(batch))

    def compute(self, batch: ConvolutionBatch) -> ModelOutput:
        """Predict for a prepared batch; no shape depends on its numbers."""
        h, states = self.body(self.embedding(batch.rows), batch.edges)
        pool = sum_over_atoms if self.pooling == "sum" else mean_over_atoms
        return ModelOutput(pool(self.head(h), batch), states)


class GCN(ConvolutionNet):
    """Conv(h) = D^(-1/2) (A + I) D^(-1/2) h W + b, D the degrees in A + I.

    Kipf and Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks",
    arXiv:1609.02907, equation 2. See `ConvolutionNet` for the other layers.
    """

    kind = "gcn"


class GAT(ConvolutionNet):
    """Conv(h)_i = ||_k sum_j α^k_ij W^k h_j + b, j over i and its neighbours, k over the heads.

    α^k_ij = softmax_j LeakyReLU(a^k . [W^k h_i | W^k h_j]). Veličković et al. 2018, "Graph
    Attention Networks", arXiv:1710.10903, equations 3 and 5. See `ConvolutionNet` for other layers.
    """

    kind = "gat"

    def __init__(self, settings: GATSettings) -> None:
        """Build and initialise as PyTorch Geometric does."""
        super().__init__(settings, settings.heads)


class GIN(ConvolutionNet):
    """Conv(h)_i = MLP(h_i + sum_j h_j), j over the neighbours of i; MLP = Lin(D, D) ReLU Lin(D, D).

    Xu et al. 2019, "How Powerful are Graph Neural Networks?", arXiv:1810.00826, equation 4.1 with
    ε = 0 (their GIN-0), without batch normalisation. See `ConvolutionNet` for the other layers.
    """

    kind = "gin"
