"""Random requests to every operation of the OpenAPI description: no answer is a 5xx."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.conftest import BEARER, server

SLOW = 2000

NAMES = st.one_of(
    st.sampled_from(["done", "half", "none", "regret", "axes"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.text(string.printable, min_size=1, max_size=10),
)
VALUES = st.one_of(
    NAMES,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "0.02", "0.05", "nan", "inf", "gin", "qm9/homo", "-1", "true"]),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | NAMES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=10,
    ).map(lambda data: json.dumps({"name": "fuzz", "models": data, "tasks": data}).encode()),
)
KEPT_OPEN = "/api/v1/events"
CHECKED_BY_A_CHILD = ("/api/v1/check", "/api/v1/studies")


def requests_to(http, count, checks):
    """`count` random requests; those that start a child are few (`checks`)."""
    described = http.get("/api/v1/openapi.json").json()["paths"]
    operations = [
        (method, path, [one for one in operation.get("parameters", ())])
        for path, methods in described.items()
        for method, operation in methods.items()
        if path != KEPT_OPEN
    ]
    quick = [one for one in operations if (one[0], one[1]) not in _children()]
    seen = set()

    def run(operation, data):
        method, path, parameters = operation
        query, headers = {}, dict(data.draw(st.sampled_from([BEARER, {}])))
        for one in parameters:
            value = data.draw(VALUES)
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", _quoted(value) or "x")
            elif data.draw(st.booleans()):
                query[one["name"]] = value
        body = data.draw(BODIES) if method in ("post", "delete") else None
        answer = http.request(method.upper(), path, params=query, content=body, headers=headers)
        seen.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (method, path, answer.text)
        if answer.is_error:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    for pool, examples in ((quick, count), (operations, checks)):

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.sampled_from(pool), st.data())
        def fuzz(operation, data):
            run(operation, data)

        fuzz()
    assert {200, 401, 404, 422} <= seen


def _children():
    return {("post", path) for path in CHECKED_BY_A_CHILD}


def _quoted(text):
    from urllib.parse import quote

    return quote(text.encode("utf-8", "replace"), safe="")


@pytest.fixture(autouse=True)
def no_driver(monkeypatch):
    """A random request must not train."""
    monkeypatch.setattr("lkm_tune.app.start_study", lambda *a, **k: "process 1", raising=False)


def test_no_operation_breaks(filled):
    with server(filled) as http:
        requests_to(http, 150, 10)


@pytest.mark.slow
def test_no_operation_breaks_in_two_thousand_requests(filled):
    with server(filled) as http:
        requests_to(http, SLOW, 100)
