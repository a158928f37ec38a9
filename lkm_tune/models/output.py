"""What every model returns, and how atoms become molecules."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """Predictions and the atom states that layer-to-layer mixing works on.

    Attributes:
        prediction: one row a molecule [G, P].
        layers: the atom states of successive layers, each [N, D].
    """

    prediction: Tensor
    layers: list[Tensor]


class MoleculeModel(nn.Module):
    """A network that maps a `MoleculeBatch` to a `ModelOutput`.

    Attributes:
        cutoff: radius in Å of the neighbour graph that it needs.
    """

    cutoff: float


def sum_over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    """The sums of atomic values [N, P] over the atoms of each molecule [G, P]."""
    total = torch.zeros(batch.n_graphs, values.shape[1], dtype=values.dtype, device=values.device)
    return total.index_add(0, batch.graph_index, values)
