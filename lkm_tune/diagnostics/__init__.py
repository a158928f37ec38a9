"""The effect of mixing inside a network: figures and pictures of its layers."""

from lkm_tune.diagnostics.gradients import GradientNorms, gradient_norms
from lkm_tune.diagnostics.measure import LayerFigures, measure_layers

__all__ = ["GradientNorms", "LayerFigures", "gradient_norms", "measure_layers"]
