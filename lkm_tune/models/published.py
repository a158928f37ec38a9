"""Published networks as ours: their configurations and named parameters.

Our submodules carry the names of the published parameters, so a state goes in as it is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lkm_tune.models.build import build_model, model_settings
from lkm_tune.models.output import MoleculeModel

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
"""Where a published configuration says the same by another name; the other names are shared."""

_UNUSED = {"pamnet": {"init_linear.weight"}}
"""Parameters of the published networks that take no part in a prediction."""


def from_published(
    name: str, config: Mapping[str, Any], state: Mapping[str, Any], **settings: Any
) -> MoleculeModel:
    """The published network `name` with its configuration and parameters, as our module.

    Args:
        name: a name of `MODELS`.
        config: the published configuration; keys that say nothing about the network are ignored.
        state: arrays or tensors by published parameter name; their type becomes the module's.
        **settings: settings of ours on top of the configuration, such as `layers`.

    Raises:
        ValueError: for an unknown name or setting, or parameters that are missing, unknown or of
            another shape than the configuration asks for.
    """
    known = model_settings(name)
    ours = _SETTING_OF_KEY[name]
    taken = {ours.get(key, key): value for key, value in config.items()}
    model = build_model(name, **{k: v for k, v in taken.items() if k in known} | settings)
    wanted = model.state_dict()
    tensors = {
        key: torch.tensor(value) if isinstance(value, np.ndarray) else torch.as_tensor(value)
        for key, value in state.items()
        if key not in _UNUSED.get(name, ())
    }
    _check_names(name, wanted.keys(), tensors.keys())
    wrong = [
        f"{key} {tuple(value.shape)} instead of {tuple(wanted[key].shape)}"
        for key, value in tensors.items()
        if value.shape != wanted[key].shape
    ]
    if wrong:
        raise ValueError(f"parameters of another shape than {name} has: {'; '.join(wrong)}")
    dtypes = {value.dtype for value in tensors.values()}
    model.to(dtype=max(dtypes, key=lambda dtype: dtype.itemsize))
    model.load_state_dict(tensors)
    return model


def _check_names(name: str, wanted: Any, given: Any) -> None:
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or unknown:
        raise ValueError(
            f"the published parameters do not fit {name} in this configuration: "
            f"missing {missing or 'none'}, unknown {unknown or 'none'}"
        )
