"""The graph networks, each with forward(MoleculeBatch) -> ModelOutput(prediction, layers)."""

from lkm_tune.models.build import MODELS, build_model, model_settings
from lkm_tune.models.output import ModelOutput, MoleculeModel
from lkm_tune.models.published import from_published

__all__ = [
    "MODELS",
    "ModelOutput",
    "MoleculeModel",
    "build_model",
    "from_published",
    "model_settings",
]
