"""A graph for the classification of its nodes."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lkm_tune.datasets.molecules import IntArray


@dataclass(frozen=True, eq=False)
class NodeGraph:
    """One graph of N nodes, each with F features and one of several classes.

    Attributes:
        features: [N, F] float32; each row sums to 1.
        edge_index: [2, E] nodes of each edge, in both directions, without self loops.
        labels: [N] class of each node, from 0.
        parts: `train`, `val` and `test` -> the nodes of the part.
        classes: Number of classes.
    """

    features: Tensor
    edge_index: Tensor
    labels: Tensor
    parts: Mapping[str, IntArray]
    classes: int
