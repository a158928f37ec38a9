"""Who gets in: checks every request before the app sees it, and closes browsers' doors.

A request passes in this order: a known `Host` (against DNS rebinding), no other site as its origin,
the right to read or to write, and a body that is small and quick.
"""

import asyncio
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lkm_tune.serve.problems import Refused, answer
from lkm_tune.serve.secret import Secret
from lkm_tune.serve.settings import Settings, is_loopback

LARGEST_BODY, BODY_SECONDS = 1_000_000, 20.0
"""Limits of the body of a request."""

SAFE = ("GET", "HEAD")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of proxies: such a request counts as one from beyond loopback."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # With `no-referrer`, browsers name no origin in the forms of this server either.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer that has not set them itself."""


class Doors:
    """The ASGI middleware around the app."""

    def __init__(self, app: ASGIApp, settings: Settings, secret: Secret) -> None:
        """Takes the app behind the doors."""
        self._app = app
        self._settings = settings
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # There are no websockets.
        request, closed = Request(scope, receive), _with_headers(send)
        self._secret.refresh()
        try:
            self._admit(request)
            if scope["method"] not in SAFE:
                handed = await _read(request, receive)
        except Refused as refused:
            await self._refuse(request, refused)(scope, receive, closed)
            return
        if scope["method"] == "HEAD":
            # Every page and file that has GET has HEAD; the server of HTTP sends no body.
            scope = {**scope, "method": "GET", "lkm_tune.head": True}
        if scope["method"] in SAFE:
            await self._app(scope, receive, closed)
        else:
            await _while_connected(self._app, scope, receive, handed, closed)

    def _admit(self, request: Request) -> None:
        headers = request.headers
        if host_name(headers.get("host", "")) not in self._settings.names:
            raise Refused(
                421,
                "the Host header must name this server; `--allow-host NAME` adds a name",
            )
        writes = request.method not in SAFE
        if writes and not of_this_site(headers):
            raise Refused(403, "a request that changes something must not come from another site")
        who = self._who(request)
        request.scope["lkm_tune.who"] = who
        if is_open(request.url.path):
            return
        in_api = request.url.path.startswith("/api/")
        if writes and (who != "token" if in_api else who not in ("token", "session")):
            raise _unauthorised("this needs the token of the server")
        if not who:
            raise _unauthorised("requests from beyond loopback need the token of the server")

    def _who(self, request: Request) -> str:
        """`token`, `session`, `loopback` or ""."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if not self._secret.is_token(given.strip()):
                raise _unauthorised("this is not the token of the server")
            return "token"
        cookie = session_cookie(request.headers.getlist("cookie"), self._secret.cookie)
        if cookie and self._secret.is_session(cookie):
            request.scope["lkm_tune.form_mark"] = self._secret.form_mark(cookie)
            return "session"
        client = request.client.host if request.client else ""
        passed_on = any(name in request.headers for name in FORWARDED)
        near = self._settings.only_loopback and is_loopback(client) and not passed_on
        return "loopback" if near and not self._settings.always_token else ""

    def _refuse(self, request: Request, refused: Refused) -> Response:
        browser = "text/html" in request.headers.get("accept", "")
        in_api = request.url.path.startswith("/api/")
        if refused.status == 401 and browser and not in_api:
            back = request.url.path if request.method in SAFE else "/"
            return RedirectResponse(f"/login?next={quote(back)}", 303)
        return answer(request, refused)


def is_open(path: str) -> bool:
    """Whether a path needs no right: the login and what its page needs."""
    return path == "/login" or path.startswith("/static/")


def host_name(host: str) -> str:
    """The name in a `Host` header, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isascii() and port.isdigit() else host).lower()


def of_this_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a request is from a page of this site; programs say nothing."""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    same = origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return site in ("same-origin", "none") and same


def session_cookie(headers: list[str], name: str) -> str:
    """The value of the cookie `name`, that of the session; "" without one."""
    for header in headers:
        try:
            found = SimpleCookie(header).get(name)
        except CookieError:
            continue
        if found:
            return found.value
    return ""


def _unauthorised(detail: str) -> Refused:
    return Refused(401, detail, headers={"www-authenticate": "Bearer"})


async def _read(request: Request, receive: Receive) -> Receive:
    """Reads the whole body within the limits, and returns a channel that hands it on."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > LARGEST_BODY:
        raise _too_large()
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refused(400, "the request ended before its body")
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    raise _too_large()
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise Refused(
            408, f"the body must arrive within {BODY_SECONDS:g} s", headers={"connection": "close"}
        ) from error
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _while_connected(
    app: ASGIApp, scope: Scope, receive: Receive, handed: Receive, send: Send
) -> None:
    """Runs the app, and cancels it if the client goes away before its answer begins."""
    begun = False

    async def noted(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def work() -> None:
        await app(scope, handed, noted)

    working, left = asyncio.create_task(work()), asyncio.create_task(leaving())
    try:
        await asyncio.wait((working, left), return_when=asyncio.FIRST_COMPLETED)
        if begun or working.done():
            await working
    finally:
        working.cancel()
        left.cancel()
        await asyncio.gather(working, left, return_exceptions=True)


def _too_large() -> Refused:
    return Refused(
        413, f"the body must hold at most {LARGEST_BODY:,} bytes", headers={"connection": "close"}
    )


def _with_headers(send: Send) -> Send:
    async def closed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.setdefault("headers", [])
            there = {name.lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in there
            ]
        await send(message)

    return closed
