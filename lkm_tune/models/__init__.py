"""The graph networks, each with forward(MoleculeBatch) -> ModelOutput(prediction, layers)."""

from typing import TYPE_CHECKING

from lkm_tune.lazy import lazy_imports

if TYPE_CHECKING:
    from lkm_tune.models.build import (
        MODELS,
        build_model,
        checked_settings,
        model_settings,
        refuse_unknown,
    )
    from lkm_tune.models.convolution import NodeClassifier
    from lkm_tune.models.forces import energy_and_forces
    from lkm_tune.models.fused import torch_forms
    from lkm_tune.models.output import (
        ModelOutput,
        MoleculeModel,
        mean_over_atoms,
        prepare,
        sum_over_atoms,
    )
    from lkm_tune.models.own_model import code_digest, is_own, own_settings
    from lkm_tune.models.padding import PaddingError, SizeClasses, padded, sizes_of
    from lkm_tune.models.published_networks import (
        PUBLISHED,
        from_published,
        load_weights,
        published_settings,
    )
    from lkm_tune.models.settings import NODE_MODELS, NodeSettings
    from lkm_tune.models.tap import LayerTap
    from lkm_tune.models.with_weights import WithWeights

__all__ = [
    "MODELS",
    "NODE_MODELS",
    "PUBLISHED",
    "LayerTap",
    "ModelOutput",
    "MoleculeModel",
    "NodeClassifier",
    "NodeSettings",
    "PaddingError",
    "SizeClasses",
    "WithWeights",
    "build_model",
    "checked_settings",
    "code_digest",
    "energy_and_forces",
    "from_published",
    "is_own",
    "load_weights",
    "mean_over_atoms",
    "model_settings",
    "own_settings",
    "padded",
    "prepare",
    "published_settings",
    "refuse_unknown",
    "sizes_of",
    "sum_over_atoms",
    "torch_forms",
]

__getattr__ = lazy_imports(__file__)
