"""Errors of a study file, in words for its author."""

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

KeyPath = tuple[str | int, ...]
"""The place of a value in a study file: `("curve", "gammas", 2)`."""


@dataclass(frozen=True)
class Finding:
    """A broken rule of a study, without a line of a file.

    `keys` are the places that the rule concerns; the first has the error. `value` is the value
    there, as a user would write it, or None if it is missing.
    """

    keys: tuple[KeyPath, ...]
    rule: str
    value: str | None = None
    valid: tuple[str, ...] = ()
    near: str | None = None


@dataclass(frozen=True)
class Problem:
    """One error of a study file: the place, the rule, the value and the valid values.

    `line` counts from 1 and is None for `--set`; `key` is empty if a file is not YAML.
    """

    file: str
    line: int | None
    key: str
    rule: str
    value: str | None = None
    valid: tuple[str, ...] = ()
    near: str | None = None

    def __str__(self) -> str:
        """One line: `quickstart.yaml:12: search.trails: unknown key, got 8; valid: trials, …`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.rule) if part)
        text += "" if self.value is None else f", got {self.value}"
        text += "; valid: " + ", ".join(self.valid) if self.valid else ""
        return text + (f" (did you mean {self.near}?)" if self.near else "")


class StudyError(ValueError):
    """An invalid study. `errors` holds every problem; the text has one line for each."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        """Takes the problems, in the order of the text."""
        self.errors: Sequence[Problem] = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


def key_name(path: KeyPath) -> str:
    """The name of a place in errors and after `--set`: `curve.gammas[2]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: Any) -> str:
    """A value as a user would write it in the file, shortened if long."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(name: Any, names: Collection[str]) -> str | None:
    """The nearest of `names` to `name`, without regard to case."""
    lowered = {candidate.lower(): candidate for candidate in names}
    close = get_close_matches(str(name).lower(), lowered, n=1)
    return lowered[close[0]] if close else None


def unknown(path: KeyPath, what: str, value: Any, names: Collection[str]) -> Finding:
    """The finding for an unknown name: the last part of `path`, or a value there."""
    name = value if isinstance(path[-1], int) else path[-1]
    return Finding((path,), f"unknown {what}", shown(value), tuple(names), nearest(name, names))
