"""Weights on disk: files of lkm-tune and checkpoints of the authors' code, without running code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lkm_tune.models import is_own
from lkm_tune.study import RunConfig

KEY = "lkm_tune"
"""Key of the header in the safetensors metadata of a file of lkm-tune."""

_HEADER = {"config", "settings", "normaliser"}

NESTED = ("state_dict", "model_state_dict", "model")
"""Keys under which a checkpoint may hold its parameters."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The parameters of a network.

    Attributes:
        tensors: the parameters by name.
        config: the run that trained them, if the file has it.
    """

    tensors: Mapping[str, Tensor]
    config: RunConfig | None = None


def read_own(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a model.safetensors from `save_model`.

    Raises:
        ValueError: if the file is invalid.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a model.safetensors of lkm-tune: {error}") from error
    missing = _HEADER - header.keys() if isinstance(header, dict) else _HEADER
    if missing:
        raise ValueError(
            f"{path} must be a model.safetensors of lkm-tune, but its header lacks "
            f"{', '.join(sorted(missing))}"
        )
    return tensors, header


def read_trusted(
    path: Path, own_model: str | None = None
) -> tuple[dict[str, Tensor], dict[str, Any], RunConfig]:
    """The tensors, the header and the run of a model.safetensors, if its code may run.

    Args:
        path: the file.
        own_model: the name of a user's model whose code may be imported. None: no code of a user's
            model runs.

    Raises:
        ValueError: if the file is invalid, or holds a user's model other than `own_model`.
    """
    tensors, header = read_own(path)
    try:
        config = RunConfig.from_dict(header["config"])
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: its config cannot be read: {error}") from error
    if is_own(config.model) and config.model != own_model:
        raise ValueError(
            f"{path} contains the network {config.model}, whose code would run: give "
            f"--own-model {config.model} if you trust it"
        )
    return tensors, header, config


def read_weights(path: Path) -> Weights:
    """Reads a model.safetensors of lkm-tune, or a file of torch.save.

    A file of torch.save holds a mapping of names to tensors, possibly under a key of `NESTED`. The
    prefix `module.` of parallel training is dropped.

    Raises:
        ValueError: if the file is neither.
    """
    if path.suffix == ".safetensors":
        tensors, header = read_own(path)
        return Weights(tensors, RunConfig.from_dict(header["config"]))
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file can raise any exception.
        said = (
            str(error).partition("\n")[0].partition(". ")[0]
        )  # without torch's advice to run code
        raise ValueError(
            f"{path} must hold only tensors by name, as "
            "torch.save(model.state_dict(), path) writes them, but cannot be read: "
            f"{type(error).__name__}: {said}"
        ) from error
    return Weights(_unwrapped(held, path))


def _unwrapped(held: Any, path: Path) -> dict[str, Tensor]:
    inner = [held[key] for key in NESTED if isinstance(held, Mapping) and key in held]
    found = inner[0] if inner else held
    named = isinstance(found, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in found.items()
    )
    if not named or not found:
        what = f"the keys {list(held)[:8]}" if isinstance(held, Mapping) else type(held).__name__
        raise ValueError(
            f"{path} must hold tensors by name, at the top or under {' or '.join(NESTED)}, "
            f"but holds {what}"
        )
    prefix = "module." if all(key.startswith("module.") for key in found) else ""
    return {key.removeprefix(prefix): value for key, value in found.items()}
