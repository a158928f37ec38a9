"""Models by name."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lkm_tune.models.convolution import GAT, GCN, GIN
from lkm_tune.models.dimenetpp import DimeNetPlusPlus
from lkm_tune.models.mxmnet import MXMNet
from lkm_tune.models.output import MoleculeModel
from lkm_tune.models.own import build_own, is_own, own_settings
from lkm_tune.models.pamnet import PAMNet

MODELS: Mapping[str, type[MoleculeModel]] = MappingProxyType(
    {
        "dimenet++": DimeNetPlusPlus,
        "mxmnet": MXMNet,
        "pamnet": PAMNet,
        "gcn": GCN,
        "gat": GAT,
        "gin": GIN,
    }
)
"""The models of the package."""


def model_settings(name: str) -> Mapping[str, Any]:
    """The settings of a model with their defaults.

    Args:
        name: a name of `MODELS`, or a user's own `package.module:build` (see `own_settings`).

    Raises:
        ValueError: for an unknown name.
    """
    if is_own(name):
        return own_settings(name)
    if name not in MODELS:
        raise ValueError(
            f"unknown model {name!r}; the models are {', '.join(sorted(MODELS))}, or your own as "
            "package.module:function"
        )
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def build_model(name: str, **settings: Any) -> MoleculeModel:
    """Build a model that maps a `MoleculeBatch` to a `ModelOutput`.

    torch's generator draws the weights.

    Args:
        name: a name of `MODELS`, or a user's own `package.module:build` (see `build_own`).
        **settings: see `model_settings`; without any, DimeNet++, MXMNet and PAMNet have their
            published size.

    Raises:
        ValueError: for an unknown name, an unknown setting or a value out of range.
    """
    known = model_settings(name)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no setting {', '.join(unknown)}; "
            f"its settings are {', '.join(known) or 'none'}"
        )
    return build_own(name, settings) if is_own(name) else MODELS[name](**settings)
