"""Errors as RFC 9457 problem details, and as pages for browsers."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from lkm_tune.app import LkmTuneError
from lkm_tune.serve.templating import page

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One error of an input.

    `line` counts from 1 in a study file, and is None for other inputs.
    """

    key: str
    detail: str
    line: int | None = None


class Problem(BaseModel):
    """An error by RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = Field(default_factory=list)


class Refused(Exception):
    """A request that is refused; it becomes a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Takes the status, the reason and the errors of the input."""
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.errors, self.headers = errors or [], headers or {}


def answer(request: Request, refused: Refused) -> Response:
    """A problem for programs, or a page for browsers outside the API."""
    title = HTTPStatus(refused.status).phrase
    problem = Problem(
        title=title, status=refused.status, detail=refused.detail, errors=refused.errors
    )
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith("/api/"):
        html = page(request, "problem.html.j2", problem=problem)
        return HTMLResponse(html, refused.status, refused.headers)
    return JSONResponse(
        problem.model_dump(), refused.status, refused.headers, media_type=MEDIA_TYPE
    )


def handle(app: FastAPI) -> None:
    """Answers every error of an app with a problem."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return answer(request, error)

    @app.exception_handler(LkmTuneError)
    async def impossible(request: Request, error: LkmTuneError) -> Response:
        return answer(request, Refused(404, str(error)))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail)
        if detail == HTTPStatus(error.status_code).phrase:
            detail = f"{request.method} {request.url.path[:200]} is no page and no operation here"
        headers = dict(error.headers or {})
        return answer(request, Refused(error.status_code, detail, headers=headers))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            FieldError(key=".".join(map(str, one["loc"][1:])), detail=one["msg"])
            for one in error.errors()
        ]
        return answer(request, Refused(422, "the request has invalid parameters", errors))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        return answer(request, Refused(500, "an error of the server: see what it printed"))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation for its OpenAPI description."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
