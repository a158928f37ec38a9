"""The graph networks, each with forward(MoleculeBatch) -> ModelOutput(prediction, layers)."""

from lkm_tune.models.build import MODELS, build_model, model_settings
from lkm_tune.models.convolution import KINDS as NODE_MODELS
from lkm_tune.models.convolution import NodeClassifier
from lkm_tune.models.forces import energy_and_forces
from lkm_tune.models.output import ModelOutput, MoleculeModel, mean_over_atoms, sum_over_atoms
from lkm_tune.models.own import code_digest, is_own, own_settings
from lkm_tune.models.published import PUBLISHED, from_published, load_weights, published_settings
from lkm_tune.models.tap import LayerTap

__all__ = [
    "MODELS",
    "NODE_MODELS",
    "PUBLISHED",
    "LayerTap",
    "ModelOutput",
    "MoleculeModel",
    "NodeClassifier",
    "build_model",
    "code_digest",
    "energy_and_forces",
    "from_published",
    "is_own",
    "load_weights",
    "mean_over_atoms",
    "model_settings",
    "own_settings",
    "published_settings",
    "sum_over_atoms",
]
