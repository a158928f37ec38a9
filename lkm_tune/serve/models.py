"""The types of the API, made from the types of the package."""

import math
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from lkm_tune.app import (
    BrokenTrial,
    CellAnswer,
    CheckedFile,
    LiveCurve,
    StudyStatus,
    StudyView,
    run_columns,
)

_KINDS: dict[str, Any] = {"str": str, "int64": int, "Int64": int | None, "float64": float | None}


def model_of(kind: type, *properties: str, name: str = "", **more: Any) -> type[BaseModel]:
    """A model with the fields of a dataclass.

    Args:
        kind: the dataclass. Its NaNs become null, so a number with NaN as default may be null.
        properties: further attributes: properties of the dataclass.
        name: the name of the model; by default that of the dataclass.
        more: further fields: name -> (type, default).
    """
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    for field in fields(kind):
        nan = isinstance(field.default, float) and math.isnan(field.default)
        made[field.name] = (hints[field.name] | None if nan else hints[field.name], ...)
        if field.default is not MISSING and not nan:
            made[field.name] = (hints[field.name], field.default)
    for known in properties:
        made[known] = (get_type_hints(getattr(kind, known).fget)["return"], ...)
    config = ConfigDict(from_attributes=True)
    return create_model(name or kind.__name__, __config__=config, **made, **more)


ListedStudy = model_of(
    StudyStatus, "state", "look_in_words", name="ListedStudy",
    decision=(str, ""), changed=(float, ...),
)  # fmt: skip
"""A study in the list. A study that has not begun has only `NotBegun`."""

Study = model_of(
    StudyStatus, "state", "look_in_words", name="Study",
    decision=(str, ""), changed=(float, ...), experiment=(str, ""),
    curves=(tuple[LiveCurve, ...], ()), broken=(tuple[BrokenTrial, ...], ()),
)  # fmt: skip

Run = create_model(
    "Run",
    __config__=ConfigDict(extra="allow"),
    **{name: (_KINDS[kind], ...) for name, kind in run_columns().items()},
)  # type: ignore[call-overload]
"""A row of the table of runs; searched settings are further fields."""

Answer = model_of(
    CellAnswer, "predicted", name="Answer",
    schema_version=(int, ...), sentence=(str, ...), line=(tuple[str, ...], ...), study=(str, ""),
)  # fmt: skip

Checked = model_of(CheckedFile, name="CheckedStudy")


class NotBegun(BaseModel):
    """A study whose driver has not begun or failed to start, or whose files are damaged."""

    name: str
    state: str
    last_lines: str = ""


class Answers(BaseModel):
    """Answers of all studies together, or of one.

    `stale`: whether runs have ended since these answers were made. `lines`: the answers as lines of
    text, with the matrix of pairs if they are those of all cells.
    """

    stale: bool
    lines: list[str]
    answers: list[Answer]  # type: ignore[valid-type]


class Started(BaseModel):
    """A driver that was started or interrupted."""

    name: str
    driver: str


class StudyEvent(BaseModel):
    """A change of a study, in the stream of events."""

    name: str
    version: int
    state: str
    planned: int
    ended: int


def status_of(view: StudyView, name: str, state: str) -> dict[str, Any]:
    """The fields of `ListedStudy` and of `Study`, with the state as the server knows it.

    `name` is that of the folder: a copy of a study stores the name of the original.
    """
    status = view.listed.status
    own = {field.name: getattr(status, field.name) for field in fields(status)}
    return {
        **own,
        "name": name,
        "state": state,
        "look_in_words": status.look_in_words,
        "decision": view.listed.decision,
        "changed": view.listed.changed,
        "experiment": view.experiment,
        "curves": view.curves,
        "broken": view.broken,
    }
