"""Turns plain data into a `Study` or a `RunConfig`, with every error in plain English.

pydantic checks types, bounds and keys by the dataclasses; this module translates its errors.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from lkm_tune.study.plan import DataPlan
from lkm_tune.study.problem import Finding, KeyPath, nearest, shown
from lkm_tune.study.space import Choice, FloatRange, IntRange

T = TypeVar("T")
_RANGES = {get_args(get_type_hints(cls)["type"])[0]: cls for cls in (FloatRange, IntRange, Choice)}

_RULES: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must be a mapping of names to values",
    "dataclass_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "literal_error": "unknown value",
    "union_tag_invalid": "unknown type",
    "value_error": lambda ctx: str(ctx["error"]),
    "greater_than": lambda ctx: f"must be more than {_number(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_number(ctx['ge'])}",
    "less_than": lambda ctx: f"must be less than {_number(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_number(ctx['le'])}",
    "too_short": lambda ctx: (
        f"must hold at least {ctx['min_length']}, holds {ctx['actual_length']}"
    ),
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
}
"""Type of a pydantic error -> the broken rule, in words for a user."""
_TAGGED = (("curve", "seeds"), ("resources", "gpu"), ("resources", "array"))
"""Keys with values of several types, which pydantic adds after them."""
_NAMED = "must be a list of names, or a mapping of names to "
_NAMES: Mapping[KeyPath, str] = {
    ("models",): _NAMED + "settings",
    ("tasks",): _NAMED + "keys of `data`",
    ("compare",): "must be a mapping of the names of settings to lists of values",
}


def validated(data: Any, kind: type[T]) -> tuple[T | None, list[Finding]]:
    """The instance of `kind` (such as `Study`) that `data` describe, or None and all errors.

    pydantic's JSON mode turns lists into tuples and mappings into dataclasses, but never text into
    a number.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, translated(error, kind)


def translated(error: ValidationError, owner: type) -> list[Finding]:
    """The errors of pydantic in an `owner`, in plain English, one for each place."""
    details = error.errors(include_url=False)
    places = [item["loc"] for item in details]
    # pydantic also calls a list with wrong items "too short": it counts only valid items.
    outer = {loc[:n] for loc in places for n in range(len(loc))}
    return [_finding(item, owner) for item in details if item["loc"] not in outer]


def _finding(item: ErrorDetails, owner: type) -> Finding:
    loc, kind, context = item["loc"], item["type"], item.get("ctx", {})
    path = _written(loc)
    if kind == "missing":
        return Finding((path,), "is missing")
    if kind == "union_tag_not_found":
        return Finding(((*path, "type"),), "is missing", None, tuple(_RANGES))
    if kind == "unexpected_keyword_argument":
        keys = _keys_beside(loc, owner)
        near = nearest(path[-1], keys)
        return Finding((path,), "unknown key", shown(item["input"]), keys, near)
    valid: Sequence[str] = ()
    given = item["input"]
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", context["expected"])
    if kind == "union_tag_invalid":
        path, valid, given = (*path, "type"), tuple(_RANGES), context["tag"]
    rule = _RULES.get(kind, item["msg"])
    if kind == "dict_type" and path in _NAMES:
        rule = _NAMES[path]
    text = rule if isinstance(rule, str) else rule(context)
    # The text of a rule over several keys already names their values.
    value = None if kind in ("value_error", "too_short") else shown(given)
    return Finding((path,), text, value, tuple(valid), nearest(given, valid) if valid else None)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _written(loc: tuple[str | int, ...]) -> KeyPath:
    """`loc` without the types of values, which pydantic adds after their keys."""
    has_kind = loc[:1] == ("space",) or loc[:2] in _TAGGED
    return loc[:2] + loc[3:] if has_kind else loc


def _keys_beside(loc: tuple[str | int, ...], owner: type) -> tuple[str, ...]:
    """The valid keys of the mapping that contains the last key of `loc`."""
    part: Any = owner
    if loc[0] == "space" and len(loc) > 2:
        part = _RANGES[str(loc[2])]
    elif loc[0] == "tasks":
        part = DataPlan
    elif len(loc) > 1:
        part = get_type_hints(owner)[str(loc[0])]
    return tuple(field.name for field in fields(part)) if is_dataclass(part) else ()
