"""Reads a study file: from YAML to a checked `Study`, or all errors of the file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, get_type_hints

from lkm_tune.study.catalog import Catalog
from lkm_tune.study.check_names import check_names
from lkm_tune.study.check_plans import check_plans, check_repeats
from lkm_tune.study.check_tasks import settled_tasks
from lkm_tune.study.document import OVERRIDE, Document, Mark, read_document
from lkm_tune.study.problem import Finding, KeyPath, Problem, StudyError, shown
from lkm_tune.study.study import GAMMA, Study
from lkm_tune.study.validate import validated

_SECTIONS = {name for name, kind in get_type_hints(Study).items() if is_dataclass(kind)}


def load_study(
    source: str | PathLike[str] | Mapping[str, Any], catalog: Catalog, overrides: Iterable[str] = ()
) -> Study:
    """The study in a file, or in a mapping with the keys of a file.

    Args:
        source: the path of a YAML file, or its content as a mapping (docs/study_file.md).
        catalog: the models and tasks that exist.
        overrides: texts such as `search.trials=20`, which replace keys of the file.

    Raises:
        StudyError: with every problem of the file and of the overrides.
    """
    if isinstance(source, Mapping):
        document = _expanded(_document(source))
    else:
        document = _expanded(read_file(Path(source), "name"))
    misread: list[Problem] = []
    for text in overrides:
        try:
            document = _expanded(document.with_override(text))
        except StudyError as error:
            misread += error.errors
    study, findings = _checked(document, catalog)
    problems = [document.problem(finding) for finding in document.findings + tuple(findings)]
    problems = sorted(problems, key=lambda problem: problem.line or 0)
    in_file = [problem for problem in problems if problem.file != OVERRIDE]
    in_override = [problem for problem in problems if problem.file == OVERRIDE]
    if study is None or problems or misread:
        raise StudyError(dict.fromkeys(in_file + in_override + misread))
    return study


def read_file(path: Path, first: str) -> Document:
    """The file at `path`: a mapping that should begin with the key `first`.

    Raises:
        StudyError: if the file cannot be read or holds no mapping.
    """
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StudyError([Problem(file, None, "", f"cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        rule = f"must be text in UTF-8, but byte {error.start + 1} is not"
        raise StudyError([Problem(file, None, "", rule)]) from error
    document = read_document(text, file)
    if not isinstance(document.data, dict):
        rule = f"must be a mapping of keys to values, beginning with `{first}: ...`"
        raise StudyError([Problem(file, 1, "", rule, shown(document.data))])
    return document


def _document(data: Mapping[str, Any]) -> Document:
    # Data without a file have no lines.
    return Document("study", dict(data), dict.fromkeys(_places(data, ()), Mark("study", None)))


def _places(held: Any, path: KeyPath) -> Iterator[KeyPath]:
    """The places of all values within plain data."""
    yield path
    if isinstance(held, Mapping):
        for key, value in held.items():
            yield from _places(value, (*path, key))
    elif isinstance(held, list | tuple):
        for i, value in enumerate(held):
            yield from _places(value, (*path, i))


def _expanded(document: Document) -> Document:
    """`document` with its shorthands expanded: lists of names, and empty keys."""
    data, marks = dict(document.data), dict(document.marks)
    findings: list[Finding] = []
    for section in _SECTIONS & data.keys():
        data[section] = {} if data[section] is None else data[section]
    data.setdefault("space", {"gamma": asdict(GAMMA)})
    for section in ("models", "tasks"):
        named = data.get(section)
        if isinstance(named, list) and all(isinstance(name, str) for name in named):
            data[section] = {name: {} for name in named}
            for i, name in enumerate(named):
                if name in named[:i]:
                    findings.append(Finding(((section, i),), "is listed twice", shown(name)))
                place = marks.get((section, i), marks[(section,)])
                marks.setdefault((section, name), place)
        elif isinstance(named, dict):
            data[section] = {name: {} if held is None else held for name, held in named.items()}
    return replace(document, data=data, marks=marks, findings=document.findings + tuple(findings))


def _checked(document: Document, catalog: Catalog) -> tuple[Study | None, list[Finding]]:
    """The study (None if no valid part remains) and every finding on it.

    Values of a wrong type are removed and the other values are checked, so that one reading finds
    all errors. Rules about removed values do not run.
    """
    study, findings = validated(document.data, Study)
    findings += check_repeats(document.data)
    left_out: set[KeyPath] = set()
    for depth in (2, 1):
        if study is None:
            left_out |= {part for finding in findings for part in _parts(finding, depth)}
            study, more = validated(_without(document.data, left_out), Study)
            findings += more
    if study is None:
        return None, findings
    study, unsettled = settled_tasks(study, catalog)
    faulty = {str(key[1]) for finding in unsettled for key in finding.keys}
    more = [*unsettled, *check_names(study, catalog, faulty), *check_plans(study, document.marks)]
    for finding in more:
        if not any(key[: len(part)] == part for key in finding.keys for part in left_out):
            findings.append(finding)
    return study, findings


def _parts(finding: Finding, depth: int) -> Iterator[KeyPath]:
    """The parts of the data to remove because of `finding`."""
    path = finding.keys[0]
    yield path[:depth]
    if finding.near is not None:
        # A misspelt key means that the intended key lacks its value.
        yield (*path[:-1], finding.near)


def _without(data: Mapping[str, Any], parts: set[KeyPath]) -> dict[str, Any]:
    """`data` without `parts`, with valid placeholders for required keys."""
    sound = {key: value for key, value in data.items() if (key,) not in parts}
    for section, *rest in parts:
        held = sound.get(str(section))
        if rest and isinstance(held, dict):
            sound[str(section)] = {key: held[key] for key in held if key != rest[0]}
    sound.setdefault("name", "unnamed")
    if not sound.get("models"):
        parts.add(("models",))
        sound["models"] = {"unnamed": {}}
    if not sound.get("tasks"):
        parts.add(("tasks",))
        sound["tasks"] = {"unnamed": {}}
    return sound
