"""Layer-to-Layer Knowledge Mixing (LKM): the mixing term and its variants."""

from lkm_tune.lkm.mixing import (
    ConfidenceMixing,
    Judge,
    LearnedMixing,
    Mixing,
    NeighbourMixing,
    UniformMixing,
    make_mixing,
)
from lkm_tune.lkm.term import Distance, Reduction, Teacher, layer_mixing_loss

__all__ = [
    "ConfidenceMixing",
    "Distance",
    "Judge",
    "LearnedMixing",
    "Mixing",
    "NeighbourMixing",
    "Reduction",
    "Teacher",
    "UniformMixing",
    "layer_mixing_loss",
    "make_mixing",
]
