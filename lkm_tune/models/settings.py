"""The settings of the networks: names, defaults and valid values. This file needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lkm_tune.models.setting_checks import (
    check_choice,
    check_counts,
    check_dropout,
    check_heads,
    check_layers,
    check_lengths,
    check_most,
    checked_elements,
)

ELEMENTS = (1, 6, 7, 8, 9)
"""H, C, N, O, F, in the order of the published embedding tables."""

MOST_HIDDEN, MOST_DEPTH = 65_536, 1_000
"""Largest sizes: a mistyped one gets an error before anything takes memory."""

NODE_MODELS = ("gcn", "gat", "gin")
"""The networks that can also classify nodes."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The common settings of all networks. Subclasses add settings; every setting has a default.

    Attributes:
        network: the class of the network, as `package.module:class`.
        uses_positions: see `MoleculeModel`.
        choices: valid values of `layers`.
        hidden: D.
        depth: L, the number of blocks or layers.
        outputs: P.
        layers: the kind of atom states that the network returns.
        cutoff: radius of the neighbour graph in Å.

    Raises:
        ValueError: for a value out of range, or fewer than two atom states.
    """

    network: ClassVar[str]
    uses_positions: ClassVar[bool] = True
    choices: ClassVar[tuple[str, ...]]

    hidden: int = 128
    depth: int
    outputs: int = 1
    layers: str
    cutoff: float = 5.0

    def __post_init__(self) -> None:
        """Check the values."""
        check_counts(hidden=self.hidden, depth=self.depth, outputs=self.outputs)
        check_most(MOST_HIDDEN, hidden=self.hidden)
        check_most(MOST_DEPTH, depth=self.depth)
        check_lengths(cutoff=self.cutoff)
        check_layers(self.layers, self.choices, self.n_states)

    @property
    def n_states(self) -> int:
        """The number of atom states that the network returns."""
        return self.depth

    @property
    def needs_positions(self) -> bool:
        """See `MoleculeModel`."""
        return True


@dataclass(frozen=True, kw_only=True)
class DimeNetSettings(ModelSettings):
    """The settings of DimeNet++; the defaults are the published size.

    Attributes:
        layers: "sum" or "hidden", see `DimeNetPlusPlus`.
        int_emb_size: size of a message while it passes an angle.
        basis_emb_size: size of the embedded bases.
        out_emb_channels: size of the states inside an output block.
        num_spherical: Ls, angular functions.
        num_radial: Nr, radial functions.
        envelope_exponent: DimeNet's p minus 1.
        num_before_skip: residual blocks before the skip connection.
        num_after_skip: residual blocks after it.
        num_output_layers: dense layers of an output block.
    """

    network = "lkm_tune.models.dimenetpp:DimeNetPlusPlus"
    choices = ("sum", "hidden")

    depth: int = 4
    layers: str = "sum"
    int_emb_size: int = 64
    basis_emb_size: int = 8
    out_emb_channels: int = 256
    num_spherical: int = 7
    num_radial: int = 6
    envelope_exponent: int = 5
    num_before_skip: int = 1
    num_after_skip: int = 2
    num_output_layers: int = 3

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_counts(num_spherical=self.num_spherical, num_radial=self.num_radial)
        check_counts(int_emb_size=self.int_emb_size, basis_emb_size=self.basis_emb_size)
        check_counts(
            out_emb_channels=self.out_emb_channels, envelope_exponent=self.envelope_exponent
        )
        check_counts(0, num_before_skip=self.num_before_skip, num_after_skip=self.num_after_skip)
        check_counts(0, num_output_layers=self.num_output_layers)

    @property
    def n_states(self) -> int:
        """One state per output block."""
        return self.depth + 1


@dataclass(frozen=True, kw_only=True)
class MXMNetSettings(ModelSettings):
    """The settings of MXMNet; the defaults are the published size.

    Attributes:
        layers: "both" (after each global and each local layer) or "local".
        cutoff: radius of the global graph in Å.
        cutoff_local: range of the bases on bonds in Å.
        elements: the atomic numbers that may occur, in the order of the embedding's rows.
        num_rbf: radial functions of a distance.
        num_spherical: Ls, angular functions of a pair of bonds.
        num_radial: Nr, radial functions of a pair of bonds.
        envelope_exponent: power p of the envelope.
    """

    network = "lkm_tune.models.mxmnet:MXMNet"
    choices = ("both", "local")

    depth: int = 6
    layers: str = "both"
    cutoff_local: float = 5.0
    elements: Sequence[int] = ELEMENTS
    num_rbf: int = 16
    num_spherical: int = 7
    num_radial: int = 6
    envelope_exponent: int = 5

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_counts(num_rbf=self.num_rbf, num_spherical=self.num_spherical)
        check_counts(num_radial=self.num_radial, envelope_exponent=self.envelope_exponent)
        check_lengths(cutoff_local=self.cutoff_local)
        checked_elements(self.elements)

    @property
    def n_states(self) -> int:
        """The number of atom states: one or two per block."""
        return 2 * self.depth if self.layers == "both" else self.depth


class PAMNetSettings(MXMNetSettings):
    """The settings of PAMNet: the same as of MXMNet."""

    network = "lkm_tune.models.pamnet:PAMNet"


@dataclass(frozen=True, kw_only=True)
class GCNSettings(ModelSettings):
    """The settings of GCN. The default size is this project's: none is published for molecules.

    Attributes:
        layers: the atom states after each "convolution", or after its "activation".
        graph: "bonds" or "radius".
        pooling: "sum" or "mean" over the atoms.
        dropout: probability.
        elements: the atomic numbers that may occur, in the order of the embedding's rows.
    """

    network = "lkm_tune.models.convolution:GCN"
    uses_positions = False
    choices = ("convolution", "activation")

    depth: int = 5
    layers: str = "convolution"
    graph: str = "bonds"
    pooling: str = "sum"
    dropout: float = 0.0
    elements: Sequence[int] = ELEMENTS

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_choice("graph", self.graph, ("bonds", "radius"))
        check_choice("pooling", self.pooling, ("sum", "mean"))
        check_dropout(self.dropout)
        checked_elements(self.elements)

    @property
    def needs_positions(self) -> bool:
        """Only the radius graph needs positions."""
        return self.graph == "radius"


class GINSettings(GCNSettings):
    """The settings of GIN: the same as of GCN."""

    network = "lkm_tune.models.convolution:GIN"


@dataclass(frozen=True, kw_only=True)
class GATSettings(GCNSettings):
    """The settings of GAT: the settings of GCN and the attention heads.

    Attributes:
        dropout: probability, also for the attention.
        heads: attention heads; `hidden` is a multiple of it.
    """

    network = "lkm_tune.models.convolution:GAT"

    heads: int = 4

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_heads(self.hidden, self.heads)


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """The settings of a network that classifies nodes.

    Attributes:
        features: F, features of a node.
        classes: C.
        hidden: D.
        depth: L.
        layers: see `GCNSettings`.
        dropout: probability.
        heads: attention heads of "gat".

    Raises:
        ValueError: for a value out of range, or fewer than two convolutions.
    """

    features: int
    classes: int
    hidden: int = 64
    depth: int = 2
    layers: str = "convolution"
    dropout: float = 0.0
    heads: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        check_counts(features=self.features, classes=self.classes)
        check_counts(hidden=self.hidden, depth=self.depth)
        check_layers(self.layers, GCNSettings.choices, self.depth)
        check_dropout(self.dropout)
        check_heads(self.hidden, self.heads)
