"""Attacks, each against the part of the server that should stop it."""

import os
import re

import pytest
from click.testing import CliRunner

from lkm_tune.app import LkmTuneError
from lkm_tune.cli import cli
from lkm_tune.serve.doors import BODY_SECONDS, LARGEST_BODY
from lkm_tune.serve.secret import Secret, read_token
from tests.serve.conftest import BEARER, TOKEN, server

COOKIE = Secret(TOKEN).cookie
FAR = ("192.0.2.7", 50000)
HTML = {"accept": "text/html"}
WRITES = [
    ("POST", "/api/v1/studies"), ("POST", "/api/v1/check"), ("DELETE", "/api/v1/studies/done"),
    ("POST", "/api/v1/studies/done/continue"),
]  # fmt: skip


@pytest.fixture(scope="module")
def near(filled):
    with server(filled) as client:
        yield client


@pytest.fixture(scope="module")
def far(filled):
    with server(filled, client=FAR, host="0.0.0.0", hosts=("studies.example",)) as client:
        yield client


def log_in(http, **headers):
    answer = http.post("/login", data={"token": TOKEN, "next": "/submit"}, headers=headers)
    assert answer.status_code == 303 and answer.headers["location"] == "/submit"
    return answer.headers["set-cookie"]


def mark_of(http):
    return re.search(r'name="form_mark" value="(\w{64})"', http.get("/submit").text)[1]


@pytest.mark.parametrize("headers", [
    {}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}x"},
    {"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer"}, {"authorization": "Bearer γ"},
    {"cookie": f"{COOKIE}={TOKEN}"}, {"cookie": f"{COOKIE}=9999999999.x.{'0' * 64}"},
])  # fmt: skip
def test_no_way_in_without_the_token(near, far, headers):
    headers = {name: value.encode() for name, value in headers.items()}
    for method, path in WRITES:
        for http in (near, far):
            answer = http.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/api/v1/studies", "/api/v1/openapi.json", "/studies/done", "/docs", "/none"):
        assert far.get(path, headers=headers).status_code == 401


def test_a_token_in_the_query_is_none(near, far):
    for name in ("token", "access_token", "authorization", "next"):
        assert far.get("/api/v1/studies", params={name: TOKEN}).status_code == 401
        assert near.post("/api/v1/studies", params={name: TOKEN}).status_code == 401


def test_the_token_opens(far):
    assert far.get("/api/v1/studies", headers=BEARER).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_a_proxy_on_this_machine_gets_no_trust(near, header):
    assert near.get("/api/v1/studies", headers={header: "127.0.0.1"}).status_code == 401


def test_a_server_beyond_loopback_trusts_no_address(filled):
    with server(filled, host="0.0.0.0") as http:
        assert http.get("/api/v1/studies").status_code == 401
    with server(filled, always_token=True) as http:
        assert http.get("/api/v1/studies").status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8420", 200), ("localhost", 200), ("[::1]:8420", 200), ("LOCALHOST:1", 200),
     ("studies.example", 421), ("evil.example:8420", 421), ("127.0.0.1.evil.example", 421),
     ("localhost@evil.example", 421), ("", 421), ("127.0.0.1:8420:1", 421)],
)  # fmt: skip
def test_a_rebound_name_is_refused(near, host, status):
    assert near.get("/api/v1/studies", headers={"host": host}).status_code == status


def test_a_named_host_is_served(far):
    headers = {**BEARER, "host": "studies.example"}
    assert far.get("/api/v1/studies", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
])  # fmt: skip
def test_another_site_changes_nothing(near, headers):
    for method, path in [*WRITES, ("POST", "/login"), ("POST", "/submit"), ("POST", "/logout")]:
        answer = near.request(method, path, headers={**BEARER, **headers})
        assert answer.status_code == 403 and "another site" in answer.json()["detail"]


def test_the_session(filled):
    with server(filled, client=FAR, host="0.0.0.0") as http:
        turned = http.get("/studies/done", headers=HTML)
        assert (turned.status_code, turned.headers["location"]) == (
            303,
            "/login?next=/studies/done",
        )
        assert http.post("/login", data={"token": "wrong"}).status_code == 401
        cookie = log_in(http)
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
        assert TOKEN not in cookie
        assert http.get("/studies/done").status_code == 200
        # A session reads, and writes through the forms of its pages alone.
        assert http.get("/api/v1/studies").status_code == 200
        assert http.post("/api/v1/studies", content="name: x").status_code == 401
        form = {"study": "name: [", "do": "check"}
        for mark in ("", "0" * 64, Secret("other" * 9).form_mark("x")):
            assert http.post("/submit", data={**form, "form_mark": mark}).status_code == 403
            path = "/studies/done/interrupt"
            assert http.post(path, data={"form_mark": mark}).status_code == 403
        answer = http.post("/submit", data={**form, "form_mark": mark_of(http)})
        assert answer.status_code == 422 and "is not valid YAML" in answer.text
        kept = {"cookie": cookie.partition(";")[0]}
        assert http.post("/logout", data={"form_mark": mark_of(http)}).status_code == 303
        assert http.get("/api/v1/studies").status_code == 401
        # A copy of the cookie has ended, too; another session goes on.
        assert http.get("/api/v1/studies", headers=kept).status_code == 401
        log_in(http)
        assert http.get("/api/v1/studies").status_code == 200


def test_the_button_that_applies_and_the_way_back(filled):
    with server(filled) as http:
        log_in(http)
        shown = {name: http.get(f"/studies/{name}").text for name in ("done", "half")}
        buttons = {name: re.findall(r"<button>(Interrupt|Continue)", shown[name]) for name in shown}
        assert buttons == {"done": [], "half": ["Continue"]}
        form = {"form_mark": mark_of(http)}
        answer = http.post("/studies/half/interrupt", data=form, headers=HTML)
        assert answer.status_code == 409 and "no driver runs study half" in answer.text
        assert '<a href="/studies/half">Back to the study</a>' in answer.text


def test_behind_tls_the_cookie_is_secure(near):
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    assert "Secure" in log_in(near, **headers)
    near.cookies.clear()


def test_a_session_ends(monkeypatch):
    secret = Secret(TOKEN)
    cookie = secret.new_session()
    assert secret.is_session(cookie) and not Secret("another" * 5).is_session(cookie)
    end, rest = cookie.split(".", 1)
    assert not secret.is_session(f"{int(end) + 1}.{rest}")
    monkeypatch.setattr("lkm_tune.serve.secret.time.time", lambda: int(end) + 1)
    assert not secret.is_session(cookie)


@pytest.mark.parametrize("goal", [
    "//evil.example", "https://evil.example", r"/\evil.example", "javascript:alert(1)",
    "/\tevil", "", "/\n//evil",
])  # fmt: skip
def test_the_login_leads_to_this_server(near, goal):
    answer = near.post("/login", data={"token": TOKEN, "next": goal})
    assert answer.headers["location"] == "/"
    assert near.get("/login", params={"next": goal}).text.count('value="/"') == 1
    near.cookies.clear()


@pytest.mark.parametrize("path", ["/", "/studies/done", "/login", "/api/v1/studies", "/none"])
def test_browsers_are_told_what_they_must_not_do(near, path):
    headers = near.get(path).headers
    policy = headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("name", [
    "%2e%2e%2f%2e%2e", "..%2f..%2fetc", "%2e%2e%2fdone", "done%00", "~",
    "..%5c..%5cetc", "%252e%252e",
])  # fmt: skip
def test_a_name_leads_nowhere_else(near, name):
    for path in (f"/api/v1/studies/{name}", f"/api/v1/studies/{name}/runs", f"/studies/{name}"):
        assert near.get(path).status_code in (404, 405), path
    for method, rest in (("DELETE", ""), ("POST", "/continue")):
        answer = near.request(method, f"/api/v1/studies/{name}{rest}", headers=BEARER)
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize("file", [
    "..%2f..%2fstudy.json", "..%2fstudy.json", "%2fetc%2fpasswd", "transfer.json%00.html",
])  # fmt: skip
def test_only_files_of_the_report(near, file):
    assert near.get(f"/studies/done/report/{file}").status_code == 404


def test_a_large_body(near):
    for body in (b"x" * (LARGEST_BODY + 1), iter([b"x" * 65536] * 20)):
        answer = near.post("/api/v1/check", content=body, headers=BEARER)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_no_body_is_read_before_the_token():
    assert BODY_SECONDS <= 30

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    import asyncio

    from lkm_tune.serve.doors import Doors
    from lkm_tune.serve.settings import Settings

    sent = []
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/studies", "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": FAR, "server": ("x", 1), "scheme": "http",
    }  # fmt: skip
    doors = Doors(None, Settings(None, TOKEN), Secret(TOKEN))
    asyncio.run(doors(scope, receive, send))
    assert sent[0]["status"] == 401


def test_a_new_token_ends_sessions_at_once(filled, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    with server(filled, always_token=True, token_file=path) as http:
        log_in(http)
        assert http.get("/api/v1/studies").status_code == 200
        path.unlink()
        assert http.get("/api/v1/studies").status_code == 401
        assert http.get("/api/v1/studies", headers=BEARER).status_code == 401
        new = {"authorization": f"Bearer {path.read_text().strip()}"}
        assert http.get("/api/v1/studies", headers=new).status_code == 200
        path.chmod(0o644)
        assert http.get("/api/v1/studies", headers=new).status_code == 401
        path.chmod(0o600)
        assert http.get("/api/v1/studies", headers=new).status_code == 200


def test_servers_with_other_tokens_have_other_cookies():
    assert Secret(TOKEN).cookie == COOKIE != Secret("another" * 5).cookie
    assert TOKEN[:8] not in COOKIE


def test_the_file_of_the_token(tmp_path):
    path = tmp_path / "new" / "token"
    token = read_token(path)
    assert len(token) == 43 and read_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(LkmTuneError, match="mode 0600.* mode 0640"):
        read_token(path)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(LkmTuneError, match="at least 22 letters"):
        read_token(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(LkmTuneError, match="must be a file"):
        read_token(path)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        *(("--allow-host", name, "without a scheme, a port and `*`")
          for name in ("", "*", "http://studies.example.org", "studies.example.org:8443")),
        *((option, url, "must begin with http:// or https:// and a host")
          for option in ("--jobs", "--mlflow")
          for url in ("javascript:alert(1)", "ftp://head", "http://", "head:8265")),
    ],
)  # fmt: skip
def test_options_that_would_never_fit_are_refused(tmp_path, option, value, said):
    command = ["serve", "--storage", str(tmp_path), "--token-file", str(tmp_path / "token")]
    done = CliRunner().invoke(cli, [*command, option, value], terminal_width=400)
    assert done.exit_code == 2 and said in done.output
    assert not (tmp_path / "token").exists()
