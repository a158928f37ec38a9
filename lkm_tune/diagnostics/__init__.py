"""What mixing does inside a network: figures of its layers, and pictures of them."""

from lkm_tune.diagnostics.gradients import GradientNorms, gradient_norms
from lkm_tune.diagnostics.measure import LayerFigures, measure_layers

__all__ = ["GradientNorms", "LayerFigures", "gradient_norms", "measure_layers"]
