"""The pages that change something: login, a study file to check and start, interrupt, continue."""

from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from lkm_tune.app import CheckedFile
from lkm_tune.serve.context import Here
from lkm_tune.serve.doors import session_cookie
from lkm_tune.serve.problems import Refused
from lkm_tune.serve.secret import SESSION_SECONDS
from lkm_tune.serve.templating import page

MARK = "form_mark"

EXAMPLE = """\
name: mine
models: [gin, pamnet]
tasks: [qm9/homo]
data: {source: sample, n_train: 400, n_val: 200, n_test: 300}
search: {trials: 10, grace_period: 5}
curve: {gammas: [0, 0.001, 0.01, 0.1, 1], seeds: 3}
training: {epochs: 20}
"""

router = APIRouter(include_in_schema=False)


@router.get("/login", response_class=HTMLResponse)
async def login_page(request: Request, next: str = "/") -> str:
    """The form for the token."""
    return page(request, "login.html.j2", problem="", back=own_path(next))


@router.post("/login")
async def login(request: Request, here: Here) -> Response:
    """Begins a session if the token is right."""
    given = await fields(request)
    back = own_path(given.get("next", "/"))
    if not here.secret.is_token(given.get("token", "").strip()):
        html = page(
            request, "login.html.j2", problem="this is not the token of the server", back=back
        )
        return HTMLResponse(html, 401)
    answer = RedirectResponse(back, 303)
    answer.set_cookie(
        here.secret.cookie,
        here.secret.new_session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        # A proxy with TLS says so; the header can only make the cookie stricter.
        secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "")),
    )
    return answer


@router.post("/logout")
async def logout(request: Request, here: Here) -> Response:
    """Ends a session, also for other copies of its cookie."""
    await marked_fields(request, here)
    name = here.secret.cookie
    here.secret.end_session(session_cookie(request.headers.getlist("cookie"), name))
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(name, httponly=True, samesite="strict")
    return answer


@router.get("/submit", response_class=HTMLResponse)
async def submit_page(request: Request) -> str:
    """The form for a study file."""
    return _form(request, EXAMPLE)


@router.post("/submit")
async def submit(request: Request, here: Here) -> Response:
    """Checks a study file and shows its errors or its cost, or starts it."""
    given = await marked_fields(request, here)
    # A form sends line ends as CRLF.
    text = given.get("study", "").replace("\r\n", "\n")
    try:
        if given.get("do") == "start":
            name, _ = await here.start(text)
            return RedirectResponse(f"/studies/{quote(name)}", 303)
        checked = await here.check(text, cost=True)
    except Refused as refused:
        if refused.status not in (409, 422, 503):
            raise
        return HTMLResponse(_form(request, text, refused=refused), refused.status)
    return HTMLResponse(_form(request, text, checked=checked))


@router.post("/studies/{name}/interrupt")
async def interrupt(request: Request, name: str, here: Here) -> Response:
    """Interrupts a study."""
    await marked_fields(request, here)
    await here.interrupt(name)
    return RedirectResponse(f"/studies/{quote(name)}", 303)


@router.post("/studies/{name}/continue")
async def go_on(request: Request, name: str, here: Here) -> Response:
    """Continues a study."""
    await marked_fields(request, here)
    await here.go_on(name)
    return RedirectResponse(f"/studies/{quote(name)}", 303)


def own_path(path: str) -> str:
    r"""A path of this server; `/` for what may lead elsewhere, such as `//host` or `/\host`."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if plain and path.isprintable() else "/"


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Refused: if the body is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "the body must be a form")
    try:
        text = (await request.body()).decode("utf-8")
        found = parse_qs(text, keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise Refused(400, f"the form cannot be read: {error}") from error
    return {name: values[0] for name, values in found.items()}


async def marked_fields(request: Request, here: Any) -> dict[str, str]:
    """The fields of a form of this server; a form from another site has no mark.

    Raises:
        Refused: if the mark is not that of the session.
    """
    given = await fields(request)
    cookie = session_cookie(request.headers.getlist("cookie"), here.secret.cookie)
    marked = here.secret.is_form_mark(given.get(MARK, ""), cookie)
    if request.scope["lkm_tune.who"] != "token" and not marked:
        raise Refused(403, "the form is not from this session: load its page again")
    return given


def _form(
    request: Request,
    text: str,
    checked: CheckedFile | None = None,
    refused: Refused | None = None,
) -> str:
    lines = text.splitlines() or [""]
    errors = refused.errors if refused else []
    beside = [(n, line, [e for e in errors if e.line == n]) for n, line in enumerate(lines, 1)]
    elsewhere = [e for e in errors if e.line is None or e.line > len(lines)]
    return page(
        request, "submit.html.j2",
        text=text, checked=checked, refused=refused, beside=beside, elsewhere=elsewhere,
    )  # fmt: skip
