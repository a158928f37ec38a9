"""Molecules as batched graphs: neighbours, bonds, and the pairs of edges that form angles.

The symbols of every shape in this package:

    N  atoms of all molecules of a batch      E  directed edges of the radius graph
    G  molecules (graphs)                     B  directed covalent bonds
    T  pairs of edges that share an atom      D  hidden size       L  depth       P  outputs

A directed edge e = (s -> t) is a column of `[2, E]`: row 0 its source s, row 1 its target t.
Lengths are in Å.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor

from lkm_tune.elements import HEAVIEST_ELEMENT

BOND_TOLERANCE = 1.25
"""Two atoms are bonded if their distance is below this multiple of the sum of their covalent radii.

Stretched bonds of strained molecules reach about 1.15 times the sum; second neighbours begin at
about 1.4 (across a four-membered ring).
"""

_HEAVIEST_WITH_RADIUS = 96

Held = TypeVar("Held")
Extended = TypeVar("Extended", bound="MoleculeBatch")


def map_tensors(held: Held, act: Callable[[Tensor], Tensor]) -> Held:
    """A copy of a dataclass with act(tensor) for each tensor, also in dataclasses within it."""
    if isinstance(held, Tensor):
        return act(held)  # type: ignore[return-value]
    if not is_dataclass(held) or isinstance(held, type):
        return held
    changed = {field.name: map_tensors(getattr(held, field.name), act) for field in fields(held)}
    return replace(held, **changed)


@dataclass(frozen=True, eq=False)
class MoleculeBatch:
    """G molecules as one graph without edges between molecules.

    Attributes:
        z: atomic numbers, int64 [N].
        pos: positions in Å [N, 3].
        graph_index: the molecule of each atom, int64 [N], values 0 .. G-1.
        n_graphs: G.
        edge_index: all ordered pairs of atoms of one molecule closer than `cutoff`,
            int64 [2, E]; row 0 source, row 1 target.
        cutoff: the radius of the graph of `edge_index` in Å.
        bond_index: covalent bonds in both directions, int64 [2, B].
    """

    z: Tensor
    pos: Tensor
    graph_index: Tensor
    n_graphs: int
    edge_index: Tensor
    cutoff: float
    bond_index: Tensor

    @property
    def n_atoms(self) -> int:
        """N."""
        return self.z.shape[0]

    def extended(self, kind: type[Extended], **more: Any) -> Extended:
        """These molecules as a dataclass that derives from this class, with its further fields."""
        shared = {field.name: getattr(self, field.name) for field in fields(MoleculeBatch)}
        return kind(**shared, **more)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """A copy on `device` with floating-point numbers in `dtype`; None keeps their type."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        return map_tensors(self, moved)


def batch_from_arrays(
    z: Any, pos: Any, graph_index: Any, bonds: Any = None, cutoff: float = 5.0
) -> MoleculeBatch:
    """Build a batch from arrays or tensors, with its radius graph and bonds.

    Args:
        z: atomic numbers [N].
        pos: positions in Å [N, 3]; their floating type and device are kept.
        graph_index: the molecule of each atom [N], numbered 0 .. G-1 without gaps.
        bonds: bonds in both directions [2, B]; self loops are dropped. None uses `covalent_bonds`.
        cutoff: radius of the neighbour graph in Å. A model with a smaller cutoff selects its edges
        from this graph; a model with a larger cutoff computes its edges in every step.

    Raises:
        ValueError: if shapes disagree, a number is out of range or not finite, two atoms of a
        molecule coincide, or a bond is one-way, repeated or between two molecules.
    """
    pos = _tensor(pos)
    if not pos.is_floating_point():
        pos = pos.to(torch.get_default_dtype())
    z = _tensor(z).to(pos.device, torch.int64)
    graph_index = _tensor(graph_index).to(pos.device, torch.int64)
    n_graphs = _check_atoms(z, pos, graph_index, cutoff)

    pairs, distance = _molecule_pairs(pos, graph_index)
    if bool((distance == 0).any()):
        first, second = pairs[:, distance == 0][:, 0].tolist()
        raise ValueError(
            "the atoms of a molecule must have distinct positions, "
            f"but atoms {second} and {first} are at the same place"
        )
    if bonds is None:
        bond_index = pairs[:, distance < _bond_lengths(z, pairs)]
    else:
        bond_index = _checked_bonds(bonds, graph_index)
    edge_index = pairs[:, distance < cutoff]
    return MoleculeBatch(z, pos, graph_index, n_graphs, edge_index, float(cutoff), bond_index)


def radius_edges(pos: Tensor, graph_index: Tensor, cutoff: float) -> Tensor:
    """All ordered pairs of distinct atoms of one molecule closer than `cutoff`.

    The number of neighbours has no limit. Time and memory grow with sum_g n_g^2 over the molecules.

    Args:
        pos: positions in Å [N, 3].
        graph_index: the molecule of each atom, int64 [N], in any order.
        cutoff: the cutoff in Å.

    Returns:
        int64 [2, E], row 0 source, row 1 target, grouped by target.
    """
    pairs, distance = _molecule_pairs(pos, graph_index)
    return pairs[:, distance < cutoff]


def covalent_bonds(z: Tensor, pos: Tensor, graph_index: Tensor) -> Tensor:
    """Bonds by distance: d < 1.25 (r_a + r_b) with covalent radii (see `BOND_TOLERANCE`).

    Radii: Cordero et al. 2008, "Covalent radii revisited", table 2, from ASE.

    Args:
        z: atomic numbers, int64 [N].
        pos: positions in Å [N, 3].
        graph_index: the molecule of each atom, int64 [N].

    Returns:
        int64 [2, B], both directions of every bond, grouped by target.

    Raises:
        ValueError: for an element without a tabulated radius (Z > 96).
    """
    pairs, distance = _molecule_pairs(pos, graph_index)
    return pairs[:, distance < _bond_lengths(z, pairs)]


def edges_within(batch: MoleculeBatch, cutoff: float) -> Tensor:
    """The edges [2, E] of the radius graph of `cutoff`.

    If the cutoff of the batch is equal, these are its edges; if it is larger, a selection of them;
    if it is smaller, the edges are computed.
    """
    if batch.cutoff == cutoff:
        return batch.edge_index
    if batch.cutoff < cutoff:
        return radius_edges(batch.pos, batch.graph_index, cutoff)
    _, distance = edge_vectors(batch.pos.detach(), batch.edge_index)
    return batch.edge_index[:, distance < cutoff]


def edge_vectors(pos: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors r_t - r_s [E, 3] of the edges s -> t and their lengths [E], in Å."""
    vector = pos.index_select(0, edge_index[1]) - pos.index_select(0, edge_index[0])
    return vector, torch.linalg.vector_norm(vector, dim=-1)


def two_hop_pairs(edge_index: Tensor, n_atoms: int) -> tuple[Tensor, Tensor]:
    """Pairs (e, f) of edges e = (j -> i), f = (k -> j) with k != i: f ends where e starts.

    The message of f is delivered to e (Gasteiger et al. 2020, "Directional Message Passing for
    Molecular Graphs", section 4).

    Args:
        edge_index: int64 [2, E].
        n_atoms: N.

    Returns:
        Edge numbers e and f, int64 [T] each, sorted by e.
    """
    source, target = edge_index
    e, f = _pairs_sharing(source, target, n_atoms)
    onward = source.index_select(0, f) != target.index_select(0, e)
    return e[onward], f[onward]


def _pairs_sharing(left: Tensor, right: Tensor, n_values: int) -> tuple[Tensor, Tensor]:
    """All (e, f) with left[e] == right[f], sorted by e; values are 0 .. n_values-1."""
    order = torch.argsort(right, stable=True)
    counts = torch.bincount(right, minlength=n_values)
    starts = counts.cumsum(0) - counts
    repeats = counts.index_select(0, left)
    e = torch.repeat_interleave(repeats)
    first_of_e = repeats.cumsum(0) - repeats
    offset = torch.arange(e.shape[0], device=e.device) - first_of_e.index_select(0, e)
    f = order.index_select(0, starts.index_select(0, left).index_select(0, e) + offset)
    return e, f


def _molecule_pairs(pos: Tensor, graph_index: Tensor) -> tuple[Tensor, Tensor]:
    """All ordered pairs (source, target) of distinct atoms of one molecule, and their distances."""
    n_groups = int(graph_index.max()) + 1 if graph_index.numel() else 0
    target, source = _pairs_sharing(graph_index, graph_index, n_groups)
    pairs = torch.stack((source, target))[:, source != target]
    return pairs, edge_vectors(pos.detach(), pairs)[1]


def _bond_lengths(z: Tensor, pairs: Tensor) -> Tensor:
    """The largest bond length of each pair of atoms, in Å [pairs]."""
    if z.numel() and int(z.max()) > _HEAVIEST_WITH_RADIUS:
        raise ValueError(
            f"covalent radii are known for Z <= {_HEAVIEST_WITH_RADIUS}, but got Z = "
            f"{int(z.max())}; pass the bonds yourself"
        )
    radii = torch.tensor(covalent_radii, dtype=torch.float32, device=z.device)[z]
    longest: Tensor = (radii[pairs[0]] + radii[pairs[1]]) * BOND_TOLERANCE
    return longest


def _tensor(values: Any) -> Tensor:
    # torch warns about a tensor over a read-only numpy array, so this makes a copy.
    return torch.tensor(values) if isinstance(values, np.ndarray) else torch.as_tensor(values)


def _check_atoms(z: Tensor, pos: Tensor, graph_index: Tensor, cutoff: float) -> int:
    """Check the arguments of `batch_from_arrays` and return the number of molecules."""
    n_atoms = z.shape[0] if z.ndim == 1 else -1
    if n_atoms < 1 or pos.shape != (n_atoms, 3) or graph_index.shape != (n_atoms,):
        raise ValueError(
            "the shapes must be z [N], pos [N, 3], graph_index [N] with N >= 1, but got "
            f"z {tuple(z.shape)}, pos {tuple(pos.shape)}, graph_index {tuple(graph_index.shape)}"
        )
    if not cutoff > 0:
        raise ValueError(f"`cutoff > 0` must hold, but got cutoff={cutoff}")
    if int(z.min()) < 1 or int(z.max()) > HEAVIEST_ELEMENT:
        raise ValueError(
            f"atomic numbers must lie in 1 .. {HEAVIEST_ELEMENT}, "
            f"but got {int(z.min())} .. {int(z.max())}"
        )
    if not bool(torch.isfinite(pos).all()):
        atom = int((~torch.isfinite(pos)).any(dim=1).nonzero()[0, 0])
        raise ValueError(f"positions must be finite, but atom {atom} is at {pos[atom].tolist()}")
    if int(graph_index.min()) < 0 or bool((torch.bincount(graph_index) == 0).any()):
        raise ValueError(
            "graph_index must number the molecules 0 .. G-1 without gaps, "
            f"but got the values {torch.unique(graph_index).tolist()[:20]}"
        )
    return int(graph_index.max()) + 1


def _checked_bonds(bonds: Any, graph_index: Tensor) -> Tensor:
    """The given bonds as int64 [2, B] without self loops, each direction exactly once."""
    bonds = _tensor(bonds).to(graph_index.device, torch.int64)
    n_atoms = graph_index.shape[0]
    if bonds.ndim != 2 or bonds.shape[0] != 2:
        raise ValueError(f"bonds must have the shape [2, B], but got {tuple(bonds.shape)}")
    if bonds.numel() and (int(bonds.min()) < 0 or int(bonds.max()) >= n_atoms):
        raise ValueError(
            f"bonds must name atoms 0 .. {n_atoms - 1}, "
            f"but got {int(bonds.min())} .. {int(bonds.max())}"
        )
    kept: Tensor = bonds[:, bonds[0] != bonds[1]]
    source, target = kept
    if bool((graph_index[source] != graph_index[target]).any()):
        raise ValueError("a bond must join two atoms of one molecule, but some join two molecules")
    forward, counts = torch.unique(source * n_atoms + target, return_counts=True)
    backward = torch.unique(target * n_atoms + source)
    if bool((counts > 1).any()) or not torch.equal(forward, backward):
        raise ValueError(
            "bonds must hold every bond once in each direction, but some are one-way or repeated"
        )
    return kept
