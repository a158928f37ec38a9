"""Makes and runs the server."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from lkm_tune import __version__
from lkm_tune.app import LkmTuneError
from lkm_tune.serve import api, api_write, forms, pages
from lkm_tune.serve.connections import QuickHeads
from lkm_tune.serve.context import Context
from lkm_tune.serve.doors import Doors
from lkm_tune.serve.problems import handle
from lkm_tune.serve.settings import Settings, bracketed

MOST_CONNECTIONS, BACKLOG = 500, 2048
CLOSING_SECONDS = 2
SWITCH_SECONDS = 0.001
"""A thread that reads a ledger hands the interpreter to a waiting page after this time."""


def make_app(settings: Settings) -> ASGIApp:
    """The server as an ASGI app behind its doors."""
    context = Context.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.studies.start()
        context.answers.start()
        yield
        context.studies.stop()
        context.answers.stop()

    app = FastAPI(
        title="lkm-tune",
        version=__version__,
        description="Live studies, best-γ answers and reports.",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    for part in (api, api_write, pages, forms):
        app.include_router(part.router)
    handle(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return Doors(app, settings, context.secret)


def listen(host: str, port: int) -> list[socket.socket]:
    """The open sockets of a server, one for each address of its host.

    Raises:
        LkmTuneError: if the port is taken, or the host has no address of this machine.
    """
    opened: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, address in sorted({(one[0], one[4]) for one in found}):
            opened.append(one := socket.socket(family, socket.SOCK_STREAM))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        for one in opened:
            one.close()
        raise LkmTuneError(
            f"the server cannot listen on {bracketed(host)}:{port}: {error}"
        ) from error
    return opened


def serve(app: ASGIApp, sockets: list[socket.socket]) -> None:
    """Runs the server until Ctrl-C or SIGTERM."""
    sys.setswitchinterval(SWITCH_SECONDS)
    if os.environ.get("LKM_TUNE_SHARED") != "1":
        os.umask(0o077)  # Only this user can read submitted studies.
    config = uvicorn.Config(
        app,
        # The address of a client must be that of its connection.
        proxy_headers=False,
        server_header=False,
        http=QuickHeads,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=CLOSING_SECONDS,
        ws="none",
    )
    uvicorn.Server(config).run(sockets)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the token."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemes = made.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer"}
        made["security"] = [{"bearer": []}, {}]
        app.openapi_schema = made
    return app.openapi_schema
