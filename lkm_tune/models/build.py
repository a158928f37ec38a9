"""Models by name."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lkm_tune.models.dimenetpp import DimeNetPlusPlus
from lkm_tune.models.mxmnet import MXMNet
from lkm_tune.models.output import MoleculeModel
from lkm_tune.models.pamnet import PAMNet

MODELS: Mapping[str, type[MoleculeModel]] = MappingProxyType(
    {"dimenet++": DimeNetPlusPlus, "mxmnet": MXMNet, "pamnet": PAMNet}
)
"""The models that there are."""


def model_settings(name: str) -> Mapping[str, Any]:
    """The settings of a model with their defaults, the published size.

    Raises:
        ValueError: for a name that is not in `MODELS`.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; the models are {', '.join(sorted(MODELS))}")
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def build_model(name: str, **settings: Any) -> MoleculeModel:
    """Build a model that maps a `MoleculeBatch` to a `ModelOutput`.

    Weights are drawn from torch's generator.

    Args:
        name: a name of `MODELS`.
        **settings: see `model_settings`; without any the model has its published size.

    Raises:
        ValueError: for an unknown name, an unknown setting or a value out of range.
    """
    known = model_settings(name)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no setting {', '.join(unknown)}; its settings are {', '.join(known)}"
        )
    return MODELS[name](**settings)
