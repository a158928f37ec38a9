"""DimeNet++ from PyTorch Geometric's layers, on the package's edges and triplets.

PyTorch Geometric finds both with torch-cluster and torch-sparse, which are not needed here.
"""

import torch
from torch import Tensor, nn
from torch_geometric.nn.models import DimeNetPlusPlus
from torch_geometric.utils import scatter

from lkm_tune.graphs import MoleculeBatch, two_hop_pairs
from lkm_tune.models import ModelOutput


class PlainDimeNetPlusPlus(nn.Module):
    def __init__(self, **sizes):
        super().__init__()
        published = {
            "hidden_channels": 128, "out_channels": 1, "num_blocks": 4, "int_emb_size": 64,
            "basis_emb_size": 8, "out_emb_channels": 256, "num_spherical": 7, "num_radial": 6,
        }  # fmt: skip
        self.network = DimeNetPlusPlus(**published | sizes)
        self.cutoff = float(self.network.cutoff)
        self._states: list[Tensor] = []
        for block in self.network.output_blocks:
            block.lin_up.register_forward_pre_hook(self._keep_state)

    def _keep_state(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._states.append(inputs[0])

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        self._states.clear()
        network, pos = self.network, batch.pos
        j, i = batch.edge_index
        idx_ji, idx_kj = two_hop_pairs(batch.edge_index, batch.n_atoms)
        vector = pos[i] - pos[j]
        dist = vector.pow(2).sum(dim=-1).sqrt()
        a = (vector[idx_ji] * vector[idx_kj]).sum(dim=-1)
        b = torch.linalg.cross(vector[idx_ji], vector[idx_kj], dim=-1).norm(dim=-1)
        rbf = network.rbf(dist)
        sbf = network.sbf(dist, torch.atan2(b, a), idx_kj)

        x = network.emb(batch.z, rbf, i, j)
        values = network.output_blocks[0](x, rbf, i, num_nodes=len(pos))
        for interaction, output in zip(
            network.interaction_blocks, network.output_blocks[1:], strict=True
        ):
            x = interaction(x, rbf, sbf, idx_kj, idx_ji)
            values = values + output(x, rbf, i, num_nodes=len(pos))
        prediction = scatter(
            values, batch.graph_index, dim=0, dim_size=batch.n_graphs, reduce="sum"
        )
        return ModelOutput(prediction, list(self._states))
