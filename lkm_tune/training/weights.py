"""Weights on disk: our own files, and checkpoints of the authors' code, without running theirs."""

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
"""Where the header of one of our own files is, in the metadata of the safetensors format."""

_HEADER = {"config", "settings", "normaliser"}

NESTED = ("state_dict", "model_state_dict", "model")
"""Under which of these a checkpoint may keep its parameters, beside other things."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The parameters of a network.

    Attributes:
        tensors: by name.
        config: the run that trained them, where the file says it.
    """

    tensors: Mapping[str, Tensor]
    config: RunConfig | None = None


def read_own(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a model.safetensors that `save_model` wrote.

    Raises:
        ValueError: if it is not such a file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} must be a model.safetensors of lkm-tune, but it is not: {error}"
        ) from error
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
    """The tensors, the header and the run of a model.safetensors whose network may be built.

    Args:
        path: the file.
        own_model: the name of a user's own model whose code may be imported. Without it no code
            that a file names is run.

    Raises:
        ValueError: if it is not such a file, or one of an own model that is not `own_model`.
    """
    tensors, header = read_own(path)
    try:
        config = RunConfig.from_dict(header["config"])
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: its config cannot be read: {error}") from error
    if is_own(config.model) and config.model != own_model:
        raise ValueError(
            f"{path} is of the network {config.model}, whose code would be run: say so with "
            f"--own-model {config.model} if you trust it"
        )
    return tensors, header, config


def read_weights(path: Path) -> Weights:
    """Reads a model.safetensors of ours, or what torch.save wrote.

    The latter holds a mapping of names to tensors, or one that has such a mapping under
    a key of `NESTED`. The prefix `module.` of parallel training is dropped.

    Raises:
        ValueError: if it is neither.
    """
    if path.suffix == ".safetensors":
        tensors, header = read_own(path)
        return Weights(tensors, RunConfig.from_dict(header["config"]))
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file can end in any.
        said = str(error).partition("\n")[0].partition(". ")[0]  # not how to run its code
        raise ValueError(
            f"{path} must hold tensors by name and nothing that runs code, as "
            "torch.save(model.state_dict(), path) writes it, but cannot be read so: "
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
