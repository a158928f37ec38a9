"""Samples of a batch, prepared for a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models import SizeClasses, padded, sizes_of
from lkm_tune.models.convolution import ConvolutionEdges

Indices = NDArray[Any]
"""[G] indices of samples in their dataset."""


@dataclass(frozen=True, eq=False)
class MoleculeSamples:
    """Some molecules of a batch, prepared for a network.

    Attributes:
        molecules: the molecules as the network prepares them.
        target: targets [G, P].
        forces: forces [N, 3], if the network learns forces.
        known: [P] the number of known values of each target among these molecules.
        known_in_batch: the number of known values of all targets in the batch.
        atoms_in_batch: the number of atoms in the batch.
        rows: the number of molecules in the batch.
        is_padded: whether the last molecule and its atoms count nowhere; see `padded`.
    """

    molecules: MoleculeBatch
    target: Tensor
    forces: Tensor | None
    known: tuple[int, ...]
    known_in_batch: int | Tensor
    atoms_in_batch: int | Tensor
    rows: int
    is_padded: bool = False

    @property
    def share(self) -> float | Tensor:
        """The share of these molecules in the mixing term of the batch, a mean over atoms.

        The mean over the atoms of padded samples counts their padding atoms, whose states are 0.
        """
        return self.molecules.n_atoms / self.atoms_in_batch

    def counted(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """The states of atoms [N, D] of each layer, with 0 for padding atoms."""
        if not self.is_padded:
            return list(layers)
        real = (self.molecules.graph_index < self.molecules.n_graphs - 1).unsqueeze(1)
        return [torch.where(real, layer, 0.0) for layer in layers]

    def padded(self, classes: SizeClasses) -> "MoleculeSamples":
        """These samples with the shapes of their class, and equal losses and gradients.

        The targets of the last molecule and the forces of its atoms are missing (NaN). Numbers that
        vary from batch to batch are tensors.

        Args:
            classes: the classes of the run.

        Raises:
            PaddingError: if the molecules cannot be padded.
        """
        molecules = padded(self.molecules, classes.fit(sizes_of(self.molecules)))
        more = molecules.n_atoms - self.molecules.n_atoms
        forces = self.forces
        return replace(
            self,
            molecules=molecules,
            target=pad(self.target, (0, 0, 0, 1), value=torch.nan),
            forces=None if forces is None else pad(forces, (0, 0, 0, more), value=torch.nan),
            known=(),
            known_in_batch=self.target.new_tensor(self.known_in_batch),
            atoms_in_batch=self.target.new_tensor(self.atoms_in_batch),
            is_padded=True,
        )


@dataclass(frozen=True, eq=False)
class NodeSamples:
    """Some nodes of a batch, on the prepared graph.

    Attributes:
        nodes: the nodes, int64 [n].
        edges: the edges as the network prepares them.
        rows: the number of nodes in the batch.
    """

    nodes: Tensor
    edges: ConvolutionEdges
    rows: int


Prepared = MoleculeSamples | NodeSamples
Samples = TypeVar("Samples", MoleculeSamples, NodeSamples)
