"""The HTTP API: checking, starting, interrupting and continuing studies."""

from typing import Any

from fastapi import APIRouter, Request, Response

from lkm_tune.serve.context import Here
from lkm_tune.serve.models import Checked, Started
from lkm_tune.serve.problems import Refused, documented

router = APIRouter(
    prefix="/api/v1",
    tags=["running studies"],
    responses=documented(400, 401, 403, 408, 413, 421, 422, 500, 503),
)

STUDY_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A study file (docs/study_file.md).",
        "content": {"application/yaml": {"schema": {"type": "string"}}},
    },
    "security": [{"bearer": []}],
}
TO_A_DRIVER: dict[str, Any] = {
    "response_model": Started,
    "status_code": 202,
    "openapi_extra": {"security": [{"bearer": []}]},
    "responses": documented(404, 409),
}
"""What a driver that runs, or shall run, is asked for."""


@router.post("/check", response_model=Checked, openapi_extra=STUDY_FILE)
async def check(request: Request, here: Here, cost: bool = False) -> Any:
    """The plan of a study file, or all its errors; with `cost`, a few training steps are timed."""
    checked = await here.check(await study_text(request), cost=cost)
    return Checked.model_validate(checked)


@router.post(
    "/studies",
    response_model=Started,
    status_code=201,
    openapi_extra=STUDY_FILE,
    responses=documented(409),
)
async def submit(request: Request, response: Response, here: Here) -> Started:
    """Starts a study, continues it, or extends it if its file plans more."""
    name, driver = await here.start(await study_text(request))
    response.headers["location"] = f"/api/v1/studies/{name}"
    return Started(name=name, driver=driver)


@router.post("/studies/{name}/continue", **TO_A_DRIVER)
async def go_on(name: str, here: Here) -> Started:
    """Continues an interrupted study."""
    return Started(name=name, driver=await here.go_on(name))


@router.delete("/studies/{name}", **TO_A_DRIVER)
async def interrupt(name: str, here: Here) -> Started:
    """Interrupts a study, as Ctrl-C does; its results stay, and it can be continued."""
    return Started(name=name, driver=await here.interrupt(name))


async def study_text(request: Request) -> str:
    """The study file in the body of a request.

    Raises:
        Refused: if it is no text in UTF-8.
    """
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(422, f"a study file must be text in UTF-8: {error}") from error
