"""Plain data to a `Study` or a `RunConfig`: types, bounds, keys, every error in plain English.

pydantic does the checking, from the dataclasses alone; here its errors are translated.
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
"""What pydantic calls an error -> the rule that it breaks, as a user reads it."""
_NAMED = "must be a list of names, or a mapping of names to "
_NAMES: Mapping[KeyPath, str] = {
    ("models",): _NAMED + "settings",
    ("tasks",): _NAMED + "what differs from `data`",
    ("compare",): "must be a mapping of the names of settings to lists of values",
}


def validated(data: Any, kind: type[T]) -> tuple[T | None, list[Finding]]:
    """The `kind` (a `Study`, say) that `data` describe, or None and every error in them.

    A file holds what JSON can hold, so it is read in pydantic's JSON mode: lists become tuples
    and mappings become dataclasses, while text never becomes a number.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(data)), []
    except ValidationError as error:
        return None, translated(error, kind)


def translated(error: ValidationError, owner: type) -> list[Finding]:
    """The errors that pydantic found in an `owner`, in plain English, one for each place."""
    details = error.errors(include_url=False)
    places = [item["loc"] for item in details]
    # A list whose items are wrong is also "too short" to pydantic, which counts the good ones.
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
    # A rule over several keys names their values itself.
    value = None if kind in ("value_error", "too_short") else shown(given)
    return Finding((path,), text, value, tuple(valid), nearest(given, valid) if valid else None)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _written(loc: tuple[str | int, ...]) -> KeyPath:
    """`loc` without the kind of a value, which pydantic puts behind the key of the value."""
    has_kind = loc[:1] == ("space",) or loc[:2] == ("curve", "seeds")
    return loc[:2] + loc[3:] if has_kind else loc


def _keys_beside(loc: tuple[str | int, ...], owner: type) -> tuple[str, ...]:
    """The valid keys of the mapping in which the last key of `loc` is."""
    part: Any = owner
    if loc[0] == "space" and len(loc) > 2:
        part = _RANGES[str(loc[2])]
    elif loc[0] == "tasks":
        part = DataPlan
    elif len(loc) > 1:
        part = get_type_hints(owner)[str(loc[0])]
    return tuple(field.name for field in fields(part)) if is_dataclass(part) else ()
