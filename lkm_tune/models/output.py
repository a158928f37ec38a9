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

    def prepare(self, batch: MoleculeBatch) -> MoleculeBatch:
        """A batch for `forward` with everything whose shape depends on numbers of the batch.

        A GPU must stop where a shape depends on its numbers. Training calls `prepare` on the CPU,
        perhaps in another thread, before it copies the result to the GPU.

        Args:
            batch: the molecules; a batch that is prepared already comes back unchanged.

        Returns:
            The batch, or a dataclass that derives from `MoleculeBatch` and has further tensors.
            They must not depend on positions smoothly: for forces, `forward` gets the result with
            new positions to differentiate by.
        """
        return batch


def prepare(network: nn.Module, batch: MoleculeBatch) -> MoleculeBatch:
    """The batch that `network` prepares; a network that is no `MoleculeModel` gets it unchanged."""
    return network.prepare(batch) if isinstance(network, MoleculeModel) else batch


def sum_over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    """The sums of atomic values [N, P] over the atoms of each molecule [G, P]."""
    total = torch.zeros(batch.n_graphs, values.shape[1], dtype=values.dtype, device=values.device)
    return total.index_add(0, batch.graph_index, values)


def mean_over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    """The means of atomic values [N, P] over the atoms of each molecule [G, P]."""
    # `bincount` would wait for a GPU.
    return sum_over_atoms(values, batch) / sum_over_atoms(torch.ones_like(values[:, :1]), batch)
