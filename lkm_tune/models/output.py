"""What every model returns, and how atoms become molecules."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lkm_tune.graphs import MoleculeBatch


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """Predictions and the atom states that layer-to-layer mixing works on.

    Attributes:
        prediction: one row a molecule [G, P], or a node where nodes are classified [N, P].
        layers: the states of atoms (or nodes) after successive layers, each [N, D].
    """

    prediction: Tensor
    layers: list[Tensor]


class MoleculeModel(nn.Module):
    """A network that maps a `MoleculeBatch` to a `ModelOutput`.

    Attributes:
        cutoff: radius in Å of the neighbour graph that it needs.
        uses_positions: whether predictions follow the positions of atoms, so that there are
            forces -dE/dR. False: positions count only in so far as they decide who is joined.
        needs_positions: whether it reads positions at all; False where bonds are enough.
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
