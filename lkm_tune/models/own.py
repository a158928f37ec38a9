"""A user's model by the name of the function that builds it: `package.module:function`.

    models: {"mynets:schnet": {width: 64}}         # in a study file
    lkm-tune train --model mynets:schnet ...

The function's keyword parameters are the model's settings. It returns a torch module whose
`forward(batch: MoleculeBatch)` returns a `ModelOutput`, or any other module inside a `LayerTap`.
"""

import hashlib
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache
from numbers import Real
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeGuard, cast

from torch import Tensor, nn

from lkm_tune.models.output import ModelOutput, MoleculeModel

CUTOFF = 5.0
"""Radius in Å of the neighbour graph for a user's model without `cutoff`."""

_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


def is_own(name: str) -> bool:
    """Whether a model's name is the name of a user's function."""
    return ":" in name


def own_settings(name: str) -> Mapping[str, Any]:
    """The settings of the model `name` with their defaults: the function's keyword parameters.

    A parameter whose default is not plain data (a class, a function) always keeps its default.

    Raises:
        ValueError: if there is no such function, or it has a parameter without a default.
    """
    build = _find(name)
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the parameters of {name} are unknown: {error}") from error
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p.name for p in named if p.default is p.empty]
    if required:
        raise ValueError(
            f"every parameter of {name} must have a default, but {', '.join(required)} has none"
        )
    return {
        p.name: p.default
        for p in named
        if p.kind is not p.POSITIONAL_ONLY and isinstance(p.default, _PLAIN)
    }


@cache
def code_digest(name: str) -> str:
    """Twelve hexadecimal digits of the source file of a user's network; "" for other networks.

    A process reads the file once, when it first builds the network: later changes of the file do
    not change the running code.
    """
    if not is_own(name):
        return ""
    try:
        source = inspect.getsourcefile(inspect.unwrap(_find(name)))
        content = Path(source).read_bytes() if source else b""
    except (TypeError, OSError):
        return "unknown"
    return hashlib.sha256(content).hexdigest()[:12]


def build_own(name: str, settings: Mapping[str, Any]) -> MoleculeModel:
    """Call the function `name` with `settings` and check what it returns.

    A module without `cutoff` gets the value `CUTOFF`. A hook checks the form of every output
    (`check_output`).

    Raises:
        ValueError: if there is no such function, it fails, or it returns no usable module.
    """
    build = _find(name)
    try:
        module = build(**settings)
    except Exception as error:
        raise ValueError(f"{name} failed: {_said(error)}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{name} must return a torch.nn.Module, but returned {type(module).__name__}"
        )
    model = cast(MoleculeModel, module)
    if not hasattr(module, "cutoff"):
        model.cutoff = CUTOFF
    elif not is_length(module.cutoff):
        raise ValueError(
            "the attribute `cutoff` of a model must be the radius in Å of the neighbour graph that "
            f"it needs, but that of {name} is {module.cutoff!r}; give it another name"
        )
    module.register_forward_hook(check_output)
    code_digest(name)
    return model


def is_length(value: object) -> TypeGuard[float]:
    """Whether `value` is a positive, finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf


def check_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
    """Raise ValueError unless `output` is a `ModelOutput` that fits the batch.

    It is a forward hook, so that it sees every output and copies of the module have it.
    """
    kind = type(module).__name__
    if not isinstance(output, ModelOutput):
        raise ValueError(
            f"a model must return lkm_tune.models.ModelOutput, but {kind} returned "
            f"{type(output).__name__}; name the submodules whose outputs are its layers with "
            "LayerTap(model, [...])"
        )
    (batch, *_) = arguments or (None,)
    n_atoms, n_graphs = getattr(batch, "n_atoms", None), getattr(batch, "n_graphs", None)
    shape = _shape(output.prediction)
    if len(shape) != 2 or n_graphs not in (None, shape[0]):
        raise ValueError(
            f"the prediction must have the shape [molecules, outputs] with {n_graphs} molecules, "
            f"but {kind} returned {shape}"
        )
    shapes = [_shape(layer) for layer in output.layers]
    rows = {shape[:1] for shape in shapes}
    same = len(set(shapes)) == 1 and len(shapes[0]) == 2
    if len(shapes) < 2 or not same or n_atoms is not None and rows != {(n_atoms,)}:
        raise ValueError(
            f"the layers must be at least two tensors of one shape [atoms, features] with "
            f"{n_atoms} atoms, but {kind} returned {shapes}"
        )


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _find(name: str) -> Callable[..., Any]:
    place, _, path = name.partition(":")
    if not place or not path:
        raise ValueError(f"a model of your own is written package.module:function, got {name!r}")
    try:
        module = importlib.import_module(place)
    except Exception as error:
        raise ValueError(f"{place} cannot be imported: {_said(error)}") from error
    try:
        found = attrgetter(path)(module)
    except AttributeError as error:
        file = getattr(module, "__file__", None) or "built in"
        raise ValueError(f"{place} ({file}) has no {path}") from error
    if not callable(found):
        raise ValueError(f"{name} must be a function, but is of type {type(found).__name__}")
    return cast(Callable[..., Any], found)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
