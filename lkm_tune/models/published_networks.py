"""Published networks in lkm-tune: their configurations and named parameters.

The submodules have the names of the published parameters, so a published state loads unchanged.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lkm_tune.models.build import build_model, model_settings
from lkm_tune.models.output import MoleculeModel
from lkm_tune.models.sizes import NOT_IN_SHAPES, sizes_of

_MULTIPLEX = {
    "dim": "hidden",
    "n_layer": "depth",
    "out_dim": "outputs",
    "cutoff_global": "cutoff",
    "cutoff_local": "cutoff_local",
}
_SETTING_OF_KEY = {
    "mxmnet": _MULTIPLEX,
    "pamnet": {**_MULTIPLEX, "cutoff_g": "cutoff", "cutoff_l": "cutoff_local"},
    "dimenet++": {"hidden_channels": "hidden", "out_channels": "outputs", "num_blocks": "depth"},
}
"""Name in a published configuration -> name in lkm-tune, if they differ."""

PUBLISHED = tuple(_SETTING_OF_KEY)
"""The models with published code."""

_UNUSED = {"pamnet": {"init_linear.weight"}}
"""Parameters of the published networks that do not affect predictions."""

Model = TypeVar("Model", bound=nn.Module)


def from_published(
    name: str, config: Mapping[str, Any], state: Mapping[str, Any], **settings: Any
) -> MoleculeModel:
    """The published network `name` with its configuration and parameters, as a module of lkm-tune.

    Args:
        name: a name of `PUBLISHED`.
        config: the published configuration; keys that do not concern the network are ignored.
        state: arrays or tensors by published parameter name; their type becomes the module's.
        **settings: further settings of lkm-tune, such as `layers`.

    Raises:
        ValueError: for an unknown name or setting, or for parameters that are missing, unknown or
            of another shape than in the configuration.
    """
    _check_published(name)
    model = build_model(name, **_ours(name, config) | settings)
    tensors = {key: _tensor(value) for key, value in state.items()}
    dtypes = {value.dtype for value in tensors.values()}
    model.to(dtype=max(dtypes, key=lambda dtype: dtype.itemsize))
    return load_weights(model, name, tensors)


def load_weights(model: Model, name: str, state: Mapping[str, Any]) -> Model:
    """Load parameters by name into `model`, a model `name`, in the type of the module.

    Raises:
        ValueError: for parameters that are missing, unknown or of another shape.
    """
    wanted = model.state_dict()
    tensors = {
        key: _tensor(value) for key, value in state.items() if key not in _UNUSED.get(name, ())
    }
    _check_names(name, wanted.keys(), tensors.keys())
    wrong = [
        f"{key} {tuple(value.shape)} instead of {tuple(wanted[key].shape)}"
        for key, value in tensors.items()
        if value.shape != wanted[key].shape
    ]
    if wrong:
        raise ValueError(f"parameters of another shape than {name} has: {'; '.join(wrong)}")
    model.load_state_dict(tensors)
    return model


def published_settings(
    name: str, state: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings in lkm-tune for a state of the published network `name`.

    Shapes of tensors give the sizes. `config` must have the other settings, such as cutoffs.

    Args:
        name: a name of `PUBLISHED`.
        state: arrays or tensors by published parameter name.
        config: settings by published names or lkm-tune's; other keys are ignored.

    Raises:
        ValueError: if a setting is missing, the config contradicts the shapes, or the state does
            not belong to this network.
    """
    _check_published(name)
    said = _ours(name, config)
    told = sizes_of(name, {key: tuple(value.shape) for key, value in state.items()}, said)
    against = [
        f"{key}={said[key]!r} instead of {value!r}"
        for key, value in told.items()
        if key in said and said[key] != value
    ]
    if against:
        raise ValueError(
            f"the configuration contradicts the shapes of the {name} parameters: "
            f"{', '.join(against)}"
        )
    settings = told | said
    missing = [key for key in NOT_IN_SHAPES[name] if key not in settings]
    if missing:
        usual = model_settings(name)
        raise ValueError(
            f"the shapes of the {name} parameters do not determine its "
            + ", ".join(f"{key} (published: {usual[key]})" for key in missing)
            + "; give them"
        )
    return settings


def _check_published(name: str) -> None:
    if name not in PUBLISHED:
        raise ValueError(
            f"there is no published code of {name!r}, only of {', '.join(sorted(PUBLISHED))}"
        )


def _ours(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the network in a published configuration, by lkm-tune's names."""
    known, ours = model_settings(name), _SETTING_OF_KEY[name]
    taken = {ours.get(key, key): value for key, value in config.items()}
    return {key: value for key, value in taken.items() if key in known}


def _tensor(value: Any) -> Tensor:
    return torch.tensor(value) if isinstance(value, np.ndarray) else torch.as_tensor(value)


def _check_names(name: str, wanted: Any, given: Any) -> None:
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or unknown:
        raise ValueError(
            f"the parameters do not fit {name} in this configuration: "
            f"missing {missing or 'none'}, unknown {unknown or 'none'}"
        )
