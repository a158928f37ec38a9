"""Models by name. Their settings are known without torch; building one imports it."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lkm_tune.models.own_model import find_function, is_own, own_settings
from lkm_tune.models.settings import (
    DimeNetSettings,
    GATSettings,
    GCNSettings,
    GINSettings,
    ModelSettings,
    MXMNetSettings,
    PAMNetSettings,
)

if TYPE_CHECKING:
    from lkm_tune.models.output import MoleculeModel

MODELS: Mapping[str, type[ModelSettings]] = MappingProxyType(
    {
        "dimenet++": DimeNetSettings,
        "mxmnet": MXMNetSettings,
        "pamnet": PAMNetSettings,
        "gcn": GCNSettings,
        "gat": GATSettings,
        "gin": GINSettings,
    }
)
"""The models that come with the package, each with its settings."""


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
    return {field.name: field.default for field in fields(MODELS[name])}


def checked_settings(name: str, settings: Mapping[str, Any]) -> ModelSettings:
    """The settings that a model of the package would be built with.

    Args:
        name: a name of `MODELS`.
        settings: settings that differ from the defaults.

    Raises:
        ValueError: for an unknown name, an unknown setting or a value out of range.
    """
    refuse_unknown(name, settings, model_settings(name))
    return MODELS[name](**settings)


def build_model(name: str, **settings: Any) -> "MoleculeModel":
    """Build a model that maps a `MoleculeBatch` to a `ModelOutput`.

    torch's generator draws the weights.

    Args:
        name: a name of `MODELS`, or a user's own `package.module:build` (see `build_own`).
        **settings: see `model_settings`; without any, DimeNet++, MXMNet and PAMNet have their
            published size.

    Raises:
        ValueError: for an unknown name, an unknown setting or a value out of range.
    """
    if is_own(name):
        from lkm_tune.models.own_module import build_own

        refuse_unknown(name, settings, model_settings(name))
        return build_own(name, settings)
    checked = checked_settings(name, settings)
    model: MoleculeModel = find_function(checked.network)(checked)
    return model


def refuse_unknown(name: str, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that the model `name` does not have."""
    unknown = sorted(settings.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"{name} has no setting {', '.join(unknown)}; "
            f"its settings are {', '.join(known) or 'none'}"
        )
