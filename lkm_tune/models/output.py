"""The output of every model, and sums over the atoms of molecules."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """Predictions, and the atom states for layer-to-layer mixing.

    Attributes:
        prediction: one row per molecule [G, P], or per node for tasks on nodes [N, P].
        layers: the states of atoms (or nodes) after successive layers, each [N, D].
    """

    prediction: Tensor
    layers: list[Tensor]


class MoleculeModel(nn.Module):
    """A network that maps a `MoleculeBatch` to a `ModelOutput`.

    Attributes:
        cutoff: radius in Å of the necessary neighbour graph.
        uses_positions: whether predictions depend smoothly on positions, so that forces -dE/dR
            exist. False: positions only decide the edges.
        needs_positions: whether the network reads positions; False if bonds suffice.
    """

    cutoff: float
    uses_positions: bool = True
    needs_positions: bool = True


def sum_over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    """The sums of atomic values [N, P] over the atoms of each molecule [G, P]."""
    total = torch.zeros(batch.n_graphs, values.shape[1], dtype=values.dtype, device=values.device)
    return total.index_add(0, batch.graph_index, values)


def mean_over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    """The means of atomic values [N, P] over the atoms of each molecule [G, P]."""
    n_atoms = torch.bincount(batch.graph_index, minlength=batch.n_graphs)
    return sum_over_atoms(values, batch) / n_atoms.unsqueeze(1)
