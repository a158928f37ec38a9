"""A training run that starts from the weights of a file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lkm_tune.models import PUBLISHED, model_settings, published_settings
from lkm_tune.study import RunConfig
from lkm_tune.training import Weights, read_weights


def begin(
    config: RunConfig, init: str | Path | None, init_config: str | Path | None
) -> tuple[RunConfig, Mapping[str, Tensor] | None]:
    """The config of a run that starts from the weights at `init`, and these weights.

    The settings of the network come from the config, from the JSON file `init_config`, and from the
    weights: files of lkm-tune contain all settings, and the shapes of a published network's
    parameters give its sizes.

    Raises:
        ValueError: if a setting is missing or contradictory, or a file is invalid.
    """
    if init is None:
        if init_config is not None:
            raise ValueError("--init-config describes the weights of --init, which is missing")
        return config, None
    weights = read_weights(Path(init))
    said = _settings(config, weights, {**_json(init_config), **config.model_settings})
    known = model_settings(config.model)
    kept = {key: value for key, value in said.items() if key in known}
    return replace(config, model_settings=kept), weights.tensors


def _settings(config: RunConfig, weights: Weights, said: Mapping[str, Any]) -> Mapping[str, Any]:
    if weights.config is not None:
        if weights.config.model != config.model:
            raise ValueError(
                f"the weights must be of {config.model}, but are of {weights.config.model}"
            )
        return {**weights.config.model_settings, **said}
    if config.model not in PUBLISHED:
        return said
    try:
        return published_settings(config.model, weights.tensors, said)
    except ValueError as error:
        how = "(--init-config FILE, or --set model_settings.KEY=VALUE)"
        raise ValueError(f"{error} {how}") from error


def _json(path: str | Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise ValueError(f"{path} must be a mapping of keys to values")
    return held
