"""The HTTP API: reading."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from lkm_tune import app
from lkm_tune.serve.answers import WIDTH
from lkm_tune.serve.cache import Entry
from lkm_tune.serve.context import Context, Here
from lkm_tune.serve.models import (
    Answers,
    ListedStudy,
    NotBegun,
    Run,
    Study,
    StudyEvent,
    status_of,
)
from lkm_tune.serve.problems import Refused, documented

JSON, CSV = "application/json", "text/csv; charset=utf-8"
TABLES = (
    "axes", "optima", "details", "regret", "agreement", "predictions", "drivers", "importance",
)  # fmt: skip
"""The tables of a report."""

MOST_STREAMS, POLL_SECONDS, BEAT_SECONDS = 100, 0.5, 15.0

Margin = Annotated[float | None, Query(gt=0, lt=1, allow_inf_nan=False)]

router = APIRouter(prefix="/api/v1", responses=documented(401, 421, 422, 500))


@router.get(
    "/studies",
    response_model=list[ListedStudy | NotBegun],  # type: ignore[valid-type]
    tags=["studies"],
)
async def studies(here: Here) -> Response:
    """All studies, the last changed first."""
    await here.read()
    return Response(here.studies.answer("api", lambda: _list(here.studies.all())), media_type=JSON)


@router.get(
    "/studies/{name}",
    response_model=Study | NotBegun,
    responses=documented(404),
    tags=["studies"],
)
async def study(name: str, here: Here) -> Response:
    """One study: progress, curves so far, broken trials."""
    entry = await here.entry(name)
    return Response(_told(entry, "study", Study), media_type=JSON)


@router.get(
    "/studies/{name}/runs", response_model=list[Run], responses=documented(404), tags=["runs"]
)
async def runs(name: str, here: Here) -> Response:
    """The table of runs, one object a run; errors are in `unit`."""
    return await _runs(name, here, "runs.json", to_json_rows, JSON)


@router.get(
    "/studies/{name}/runs.csv",
    response_class=Response,
    responses={**documented(404), 200: {"content": {"text/csv": {}}}},
    tags=["runs"],
)
async def runs_csv(name: str, here: Here) -> Response:
    """The table of runs as CSV, as `lkm-tune report --from` reads it."""
    return await _runs(name, here, "runs.csv", to_csv, CSV)


@router.get(
    "/studies/{name}/report",
    response_model=dict[str, Any],
    responses=documented(404),
    tags=["report"],
)
async def report(name: str, here: Here) -> Response:
    """The last report, as `transfer.json`."""
    entry, found = await _report(name, here)
    return Response(entry.answer("report", lambda: to_json(found)), media_type=JSON)


@router.get(
    "/studies/{name}/report/{table}",
    response_model=list[dict[str, Any]],
    responses=documented(404),
    tags=["report"],
)
async def report_table(name: str, table: str, here: Here) -> Response:
    """One table of the last report."""
    entry, found = await _report(name, here)
    if table not in TABLES:
        raise Refused(404, f"the report has no table {table!r}; there are: {', '.join(TABLES)}")
    return Response(entry.answer((table,), lambda: to_json(found[table])), media_type=JSON)


@router.get("/best-gamma", response_model=Answers, responses=documented(404, 503), tags=["answers"])
async def best_gamma(
    here: Here,
    model: str | None = None,
    task: str | None = None,
    margin: Margin = None,
    study: str | None = None,
    width: Annotated[int, Query(ge=20, le=1000)] = WIDTH,
) -> Response:
    """The recommended γ of each cell, or a prediction for a cell without a search.

    With `study`, the answers are those of the study's own report. Lines have `width` letters.
    """
    found = await asyncio.to_thread(here.answers.ask, study, model, task, margin, width)
    stale = study is None and here.answers.stale
    return Response(to_json({"stale": stale, **found._asdict()}), media_type=JSON)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        **documented(404, 503),
        200: {"model": StudyEvent, "content": {"text/event-stream": {}}},
    },
    tags=["studies"],
)
async def events(request: Request, here: Here, study: str | None = None) -> Response:
    """Server-sent events: first the state of every study (or of one), then every change.

    The state of a removed study is `removed`.
    """
    if study is not None:
        await here.entry(study)
    if request.scope.get("lkm_tune.head"):
        return Response(media_type="text/event-stream")
    if here.streams >= MOST_STREAMS:
        raise Refused(503, f"at most {MOST_STREAMS} streams are open at a time")
    return StreamingResponse(_stream(here, study), media_type="text/event-stream")


async def _stream(here: Context, study: str | None) -> AsyncIterator[bytes]:
    here.streams += 1
    try:
        await here.read()
        told: dict[str, int] = {}
        silent = 0.0
        while True:
            entries = here.studies.all()
            for name in told.keys() - {entry.name for entry in entries}:
                yield _framed(
                    StudyEvent(
                        name=name, version=here.studies.version, state="removed", planned=0, ended=0
                    )
                )
                del told[name]
                silent = 0.0
            for entry in entries:
                if study in (None, entry.name) and told.get(entry.name) != entry.version:
                    told[entry.name], silent = entry.version, 0.0
                    yield _framed(_event(entry))
            if silent >= BEAT_SECONDS:
                silent = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(POLL_SECONDS)
            silent += POLL_SECONDS
    finally:
        here.streams -= 1


def _framed(event: StudyEvent) -> bytes:
    return b"event: study\ndata: " + event.model_dump_json().encode() + b"\n\n"


def _event(entry: Entry) -> StudyEvent:
    status = entry.view.listed.status if entry.view else None
    return StudyEvent(
        name=entry.name,
        version=entry.version,
        state=entry.state,
        planned=status.planned if status else 0,
        ended=status.ended if status else 0,
    )


def _list(entries: list[Entry]) -> bytes:
    return b"[" + b",".join(_told(entry, "listed", ListedStudy) for entry in entries) + b"]"


def _told(entry: Entry, kind: str, model: type[BaseModel]) -> bytes:
    def make() -> bytes:
        if entry.view is None:
            said = entry.submission.last_lines if entry.submission else ""
            told: BaseModel = NotBegun(name=entry.name, state=entry.state, last_lines=said)
        else:
            told = model.model_validate(status_of(entry.view, entry.name, entry.state))
        return told.model_dump_json().encode()

    return entry.answer(kind, make)


async def _report(name: str, here: Context) -> tuple[Entry, dict[str, Any]]:
    entry = await here.entry(name)
    if entry.view is None or entry.view.report is None:
        raise Refused(404, entry.problem or f"study {name} has no report yet")
    return entry, entry.view.report


async def _runs(name: str, here: Context, kind: str, write: Any, media_type: str) -> Response:
    entry = await here.entry(name)
    if entry.view is None:
        raise Refused(404, entry.problem or f"study {name} has no runs yet")

    def make() -> bytes:
        return bytes(write(app.study_rows(name, here.settings.storage)))

    found = await asyncio.to_thread(entry.answer, kind, make)
    return Response(found, media_type=media_type)


def to_json_rows(rows: list[dict[str, Any]]) -> bytes:
    """Rows as JSON, each with every column; numbers that are no number are null."""
    names = app.run_columns()
    return to_json([{**dict.fromkeys(names), **row} for row in rows], inf_nan_mode="null")


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    """Rows as CSV with the columns of `trials.csv`."""
    columns = list(app.run_columns())
    columns += sorted({name for row in rows for name in row} - set(columns))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
