"""A graph whose nodes are classified."""

from collections.abc import Mapping
from dataclasses import dataclass

from lkm_tune.datasets.molecules import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class NodeGraph:
    """N nodes with F features each.

    Attributes:
        features: [N, F] float32.
        edge_index: [2, E] both directions of each edge.
        labels: [N] class of each node, 0..C − 1.
        classes: C.
        parts: `train`, `val` and `test` to the nodes of the public split.
    """

    features: FloatArray
    edge_index: IntArray
    labels: IntArray
    classes: int
    parts: Mapping[str, IntArray]
