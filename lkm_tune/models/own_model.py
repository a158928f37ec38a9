"""A user's model by the name of the function that builds it: `package.module:function`.

    models: {"mynets:schnet": {width: 64}}         # in a study file
    lkm-tune train --model mynets:schnet ...

The function's keyword parameters are the model's settings. It returns a torch module whose
`forward(batch: MoleculeBatch)` returns a `ModelOutput`, or any other module inside a `LayerTap`.
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

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
    build = find_function(name)
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
        source = inspect.getsourcefile(inspect.unwrap(find_function(name)))
        content = Path(source).read_bytes() if source else b""
    except (TypeError, OSError):
        return "unknown"
    return hashlib.sha256(content).hexdigest()[:12]


def find_function(name: str) -> Callable[..., Any]:
    """The function or class of a name.

    Args:
        name: `package.module:function`.

    Raises:
        ValueError: if the function does not exist, or its module cannot be imported.
    """
    place, _, path = name.partition(":")
    if not place or not path:
        raise ValueError(f"a model of your own is written package.module:function, got {name!r}")
    try:
        module = importlib.import_module(place)
    except Exception as error:
        raise ValueError(f"{place} cannot be imported: {described(error)}") from error
    try:
        found = attrgetter(path)(module)
    except AttributeError as error:
        file = getattr(module, "__file__", None) or "built in"
        raise ValueError(f"{place} ({file}) has no {path}") from error
    if not callable(found):
        raise ValueError(f"{name} must be a function, but is of type {type(found).__name__}")
    return cast(Callable[..., Any], found)


def described(error: Exception) -> str:
    """The class of an error with its message."""
    return f"{type(error).__name__}: {error}"
