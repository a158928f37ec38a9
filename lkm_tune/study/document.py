"""A YAML file as plain data, with the line of each value.

Read by the core schema of YAML 1.2: `1e-4` is a number (PyYAML reads text) and `yes` is text
(PyYAML reads true). `110_000` is 110000.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from lkm_tune.study.problem import Finding, KeyPath, Problem, StudyError, key_name, shown

OVERRIDE = "--set"
MOST_CHARACTERS, MOST_VALUES, DEEPEST = 1_000_000, 20_000, 50
"""Limits of a file: a thousand times the need of a study, read in less than a second."""

_TOO_DEEP = f"must be nested at most {DEEPEST} deep"
_TAG = "tag:yaml.org,2002:"


def _float(text: str) -> float:
    return float(re.sub(r"\.(inf|nan)", r"\1", text.replace("_", "").lower()))


_SCALARS: Mapping[str, tuple[str, str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (
        r"[-+]?(0|[1-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+)",
        "-+0123456789",
        lambda text: int(text, 0),
    ),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
        _float,
    ),
}
"""Kind -> (its pattern, its first characters, the function from text to value)."""


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, (pattern, first, _) in _SCALARS.items():
        for character in [*first, ""] if kind == "null" else first:
            found.setdefault(character, []).append((_TAG + kind, re.compile(f"(?:{pattern})$")))
    return found


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers()


@dataclass(frozen=True)
class Mark:
    """The place of a value: a line of a file, counted from 1, or None within `--set`."""

    file: str
    line: int | None


@dataclass(frozen=True)
class Document:
    """Plain data with the place of every value, and the findings from reading."""

    file: str
    data: Any
    marks: Mapping[KeyPath, Mark]
    findings: tuple[Finding, ...] = ()

    def problem(self, finding: Finding) -> Problem:
        """`finding` with its place: its first key that stands in the file, else the nearest key."""
        written = [path for path in finding.keys if path in self.marks]
        path = written[0] if written else finding.keys[0]
        while path and path not in self.marks:
            path = path[:-1]
        mark = self.marks.get(path, Mark(self.file, 1))
        value = finding.value
        if value is not None and finding.keys[0] not in self.marks:
            value += " (the default)"
        rest = finding.rule, value, finding.valid, finding.near
        return Problem(mark.file, mark.line, key_name(finding.keys[0]), *rest)

    def with_override(self, text: str) -> "Document":
        """This document after `key=value`, where the value is YAML.

        A key may contain existing names that contain dots.

        Raises:
            StudyError: if `text` is not `key=value`, the value is not YAML, or a part of the key
                leads to a value without keys.
        """
        key, equals, value = text.partition("=")
        if not equals or not all(key.strip().split(".")):
            raise StudyError([Problem(OVERRIDE, None, "", "must be key=value", shown(text))])
        path = _path(self.data, key.strip())
        new = read_document(value, OVERRIDE, path)
        kept = {p: mark for p, mark in self.marks.items() if p[: len(path)] != path}
        made = [path[:n] for n in range(1, len(path)) if path[:n] not in kept]
        marks = {**kept, **dict.fromkeys([*made, *new.marks], Mark(OVERRIDE, None))}
        data = _replaced(self.data, path, new.data)
        return replace(self, data=data, marks=marks, findings=self.findings + new.findings)


def read_document(text: str, file: str, root: KeyPath = ()) -> Document:
    """`text` as plain data; its findings include repeated keys.

    Args:
        text: YAML.
        file: the name to show in errors.
        root: the path to the data within the document.

    Raises:
        StudyError: if the text is not YAML.
    """
    loader: Any = None
    if len(text) > MOST_CHARACTERS:
        rule = f"must hold at most {MOST_CHARACTERS:,} characters, but holds {len(text):,}"
        raise StudyError([Problem(file, None, "", rule)])
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise StudyError([_no_yaml(file, *_syntax(error, text))]) from error
    except RecursionError as error:
        raise StudyError([Problem(file, None, "", _TOO_DEEP)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise StudyError([_no_yaml(file, line, error.reason)]) from error
    finally:
        if loader is not None:
            loader.dispose()
    reader = _Reader(file)
    data = None if node is None else reader.read(node, root)
    reader.marks.setdefault(root, Mark(file, 1))
    return Document(file, data, reader.marks, tuple(reader.findings))


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line of a syntax error, and PyYAML's message."""
    begun = error.context_mark.line + 1 if error.context_mark else None
    line = error.problem_mark.line + 1 if error.problem_mark else begun or 1
    since = f" (line {begun})" if begun and begun != line else ""
    said = [f"{error.context}{since}" if error.context else "", error.problem or ""]
    return max(1, min(line, len(text.splitlines()))), ", ".join(filter(None, said))


def _no_yaml(file: str, line: int, reason: str) -> Problem:
    return Problem(file, None if file == OVERRIDE else line, "", f"is not valid YAML: {reason}")


class _Reader:
    """Turns YAML nodes into plain data and records the line of each."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[KeyPath, Mark] = {}
        self.findings: list[Finding] = []
        self._open: list[yaml.Node] = []
        self._values = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        # Ten lines of nested aliases can expand to a thousand million values.
        self._values += 1
        if self._values > MOST_VALUES:
            rule = f"must hold at most {MOST_VALUES:,} values (with aliases expanded)"
            raise StudyError([Problem(self.file, None, "", rule)])
        if len(path) > DEEPEST:
            raise StudyError([Problem(self.file, None, "", _TOO_DEEP)])
        self.marks.setdefault(path, Mark(self.file, node.start_mark.line + 1))
        if any(node is parent for parent in self._open):
            self.findings.append(Finding((path,), "must not contain itself"))
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                written = shown(getattr(key, "value", None))
                self.findings.append(Finding((path,), "a key must be text", written))
                continue
            name = _whole(key.value)
            here = (*path, name)
            if name in data:
                first = self.marks[here].line
                said = "" if self.file == OVERRIDE else f", first on line {first}"
                self.findings.append(Finding((here,), f"is written twice{said}"))
            self.marks[here] = Mark(self.file, key.start_mark.line + 1)
            self._text(key.value, here)
            data[name] = self.read(value, here)
        return data

    def _text(self, text: str, path: KeyPath) -> str:
        if (whole := _whole(text)) != text:
            self.findings.append(Finding((path,), "must hold whole characters", shown(whole)))
        return whole

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str" and isinstance(node, yaml.ScalarNode):
            return self._text(node.value, path)
        try:
            return _SCALARS[kind][2](node.value)
        except (KeyError, ValueError, AttributeError, TypeError):
            said = f"cannot be read as {node.tag}"
            self.findings.append(Finding((path,), said, shown(str(node.value))))
            return None


def _whole(text: str) -> str:
    r"""The text with `?` for half characters, such as the escape "\ud800" of YAML makes.

    No file and no message can hold them.
    """
    return text.encode("utf-8", "replace").decode()


def _path(data: Any, key: str) -> KeyPath:
    parts = key.split(".")
    path: list[str] = []
    while parts:
        heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        known = [head for head in heads if isinstance(data, dict) and head in data]
        head = known[0] if known else parts[0]
        path.append(head)
        data = data.get(head) if isinstance(data, dict) else None
        parts = parts[head.count(".") + 1 :]
    return tuple(path)


def _replaced(data: Any, path: KeyPath, value: Any, done: KeyPath = ()) -> Any:
    if not path:
        return value
    if data is not None and not isinstance(data, dict):
        rule = f"has no key {path[0]}: it is not a mapping"
        raise StudyError([Problem(OVERRIDE, None, key_name(done), rule, shown(data))])
    inner = (data or {}).get(path[0])
    return {**(data or {}), path[0]: _replaced(inner, path[1:], value, (*done, path[0]))}
