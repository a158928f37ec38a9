"""Requests to a server of `lkm-tune serve`."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx

TOKEN = "LKM_TUNE_TOKEN"
OWN_TOKEN = Path("~/.lkm-tune/serve_token")
SECONDS = 300.0
"""A check may wait for other checks, and Ray may be slow to take a job."""


def ask(url: str, question: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The answers of a server to a question of `best-gamma`, also as lines of text.

    Raises:
        click.ClickException: if the server cannot be reached, or has no such answer.
    """
    asked = {name: value for name, value in question.items() if value is not None}
    told = request("GET", url, "/api/v1/best-gamma", params=asked)
    return told["answers"], told["lines"]


def request(method: str, url: str, path: str, source: str = "", **more: Any) -> Any:
    """The JSON answer of a server.

    Args:
        method: the HTTP method.
        url: the address of the server.
        path: the path of the operation.
        source: the file of a study, for errors with lines.
        more: arguments of `httpx.request`.

    Raises:
        click.ClickException: if the server cannot be reached, or refuses.
    """
    token = _token(url)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(
            method, url.rstrip("/") + path, headers=headers, timeout=SECONDS, **more
        )
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise click.ClickException(f"{url} does not answer as `lkm-tune serve`: {error}") from error
    if answer.is_error:
        raise click.ClickException(_in_words(told, source))
    return told


def _token(url: str) -> str:
    """The token for a server: from the environment, or the user's own for this machine alone."""
    if given := os.environ.get(TOKEN, "").strip():
        return given
    own = OWN_TOKEN.expanduser()
    try:
        return own.read_text(encoding="ascii").strip() if _is_here(url) else ""
    except (OSError, ValueError):
        return ""


def _is_here(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (ValueError, httpx.InvalidURL):
        return False


def _in_words(problem: Mapping[str, Any], source: str) -> str:
    errors = problem.get("errors") or []
    if not errors:
        hint = f": give it in {TOKEN}" if problem.get("status") == 401 else ""
        return f"{problem.get('detail') or problem.get('title')}{hint}"
    lines = [] if source else [str(problem.get("detail"))]
    for error in errors:
        place = source if error["line"] is None else f"{source}:{error['line']}"
        lines.append(": ".join(part for part in (place, error["key"], error["detail"]) if part))
    return "\n".join(lines)
