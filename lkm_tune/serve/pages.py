"""The pages that show: all studies, one study, answers, files of a report, the API."""

import asyncio
import shlex
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from lkm_tune import app
from lkm_tune.serve.cache import Entry
from lkm_tune.serve.context import Here
from lkm_tune.serve.links import Links
from lkm_tune.serve.matrix import margins, matrix_of
from lkm_tune.serve.problems import Refused
from lkm_tune.serve.templating import environment, page, static_file

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "png": "image/png",
}
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
"""A report has its script and style inside; in a sandbox it reaches nothing of this server."""

router = APIRouter(include_in_schema=False)


@router.get("/", response_class=HTMLResponse)
async def studies(request: Request, here: Here) -> str:
    """All studies."""
    await here.read()
    # Taken first: rows that are newer than the version are only fetched once more.
    version = here.studies.version
    shown = here.studies.answer("page", lambda: _render("rows.html.j2", entries=here.studies.all()))
    rows, storage = Markup(shown.decode()), here.settings.storage
    return page(request, "studies.html.j2", rows=rows, version=version, storage=storage)


@router.get("/studies/{name}", response_class=HTMLResponse)
async def study(request: Request, name: str, here: Here) -> str:
    """One study, live while it runs."""
    entry = await here.entry(name)
    shown = entry.answer("page", lambda: _study(entry, Links.of(here.settings, entry)))
    return page(request, "study.html.j2", entry=entry, live=Markup(shown.decode()))


@router.get("/studies/{name}/report/{file}")
async def report_file(name: str, file: str, here: Here) -> Response:
    """A file of a report."""
    await here.entry(name)
    content = await asyncio.to_thread(app.report_file, name, file, here.settings.storage)
    kind = file.rpartition(".")[2]
    headers = {"content-security-policy": REPORT_POLICY} if kind in ("html", "svg") else {}
    return Response(content, 200, headers, MEDIA_TYPES.get(kind, "application/octet-stream"))


@router.get("/ask", response_class=HTMLResponse)
async def ask(
    request: Request, here: Here, model: str = "", task: str = "", margin: str = ""
) -> Response:
    """The γ for a model and a task, with the command that trains with it."""
    asked = {"model": model.strip(), "task": task.strip(), "margin": margin.strip()}
    found: list[dict[str, Any]] = []
    problem, status = "", 200
    try:
        number = _margin(asked["margin"])
        told = await asyncio.to_thread(
            here.answers.ask, None, asked["model"] or None, asked["task"] or None, number
        )
        found = told.answers
    except Refused as refused:
        problem, status = refused.detail, refused.status
    names = await asyncio.to_thread(_names, here)
    reported = {one.name for one in here.studies.all() if one.view and one.view.report}
    html = page(
        request, "ask.html.j2",
        asked=asked, found=found, problem=problem, names=names,
        outdated=here.answers.outdated,
        commands=[commands(answer, str(here.settings.storage), reported) for answer in found],
    )  # fmt: skip
    return HTMLResponse(html, status)


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> str:
    """The operations of the API."""
    return page(request, "docs.html.j2", schema=request.app.openapi())


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """The style sheet and the script."""
    found = static_file(name)
    if found is None:
        raise Refused(404, f"there is no file {name!r}")
    return Response(found[0], headers={"cache-control": "max-age=300"}, media_type=found[1])


def commands(answer: dict[str, Any], storage: str, reported: set[str]) -> list[str]:
    """The shell commands that train with the γ of an answer.

    Args:
        answer: the answer.
        storage: the storage folder.
        reported: the studies with a report, whose best settings can be exported.
    """
    studies = [study for study in answer["studies"] if study in reported]
    model, task = answer["model"].partition("[")[0], answer["task"]
    if not studies:
        gamma = f"{answer['recommended']:.3g}"
        train = ["lkm-tune", "train", "--model", model, "--task", task, "--gamma", gamma]
        return [shlex.join(train)]
    export = ["lkm-tune", "export", "--study", studies[0], "--model", answer["model"]]
    export += ["--task", task, "--storage", storage, "-o", "best.yaml"]
    return [shlex.join(export), "lkm-tune train --config best.yaml"]


def _margin(text: str) -> float | None:
    if not text:
        return None
    try:
        if 0 < (number := float(text)) < 1:
            return number
    except ValueError:
        pass
    raise Refused(422, f"the margin must be a number between 0 and 1, such as 0.02, but got {text}")


def _names(here: Any) -> dict[str, list[str]]:
    """The models and tasks with an answer, and all others that a study may name."""
    try:
        known = here.answers.ask(None, None, None, None).answers
    except Refused:
        known = []
    models = dict.fromkeys([*(a["model"] for a in known), *app.list_models()])
    tasks = dict.fromkeys([*(a["task"] for a in known), *app.list_tasks()])
    return {"model": list(models), "task": list(tasks)}


def _study(entry: Entry, links: Links) -> bytes:
    view = entry.view
    if view is None:
        return _render("not_begun.html.j2", entry=entry)
    report = view.report
    return _render(
        "live.html.j2",
        entry=entry,
        links=links,
        view=view,
        status=view.listed.status,
        figures=[Markup(figure) for figure in entry.figures],
        report=report,
        told=report and margins(report),
        matrix=matrix_of(report) if report else None,
    )


def _render(name: str, **values: Any) -> bytes:
    return environment().get_template(name).render(**values).encode()
