"""Samples of a batch, prepared for a network."""

from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from lkm_tune.graphs import MoleculeBatch
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
    """

    molecules: MoleculeBatch
    target: Tensor
    forces: Tensor | None
    known: tuple[int, ...]
    known_in_batch: int
    atoms_in_batch: int
    rows: int

    @property
    def share(self) -> float:
        """The share of these molecules in the mixing term of the batch, a mean over atoms."""
        return self.molecules.n_atoms / self.atoms_in_batch


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
