"""Renders the pages; every value is escaped."""

import time
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined

from lkm_tune.app import page_style


@cache
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader("lkm_tune.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"clock": _clock, "hours": lambda value: f"{value:.3g}", "begin": _begin}
    return made


def page(request: Request, name: str, **values: Any) -> str:
    """A page as HTML.

    Args:
        request: its request, which knows the session.
        name: the file of the template.
        values: the values of the template.
    """
    who = request.scope.get("lkm_tune.who", "")
    mark = request.scope.get("lkm_tune.form_mark", "")
    template = environment().get_template(name)
    return template.render(who=who, form_mark=mark, path=request.url.path, **values)


@cache
def static_file(name: str) -> tuple[bytes, str] | None:
    """The content and the media type of a static file; None if there is none of this name."""
    if name == "style.css":
        return (page_style() + _read("serve.css")).encode(), "text/css; charset=utf-8"
    if name == "icon.svg":
        return _read(name).encode(), "image/svg+xml"
    if name == "live.js":
        return _read(name).encode(), "text/javascript; charset=utf-8"
    return None


def _read(name: str) -> str:
    return files("lkm_tune.serve").joinpath(f"static/{name}").read_text(encoding="utf-8")


def _begin(text: str) -> str:
    """A text as the beginning of a sentence; γ stays small."""
    return text if text.startswith("γ") else text[:1].upper() + text[1:]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(seconds))
