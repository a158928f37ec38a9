"""Pages and the API for reading, from loopback without a token."""

import csv
import io
import json
import re
import shutil
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lkm_tune.app import (
    best_gamma,
    best_gamma_lines,
    make_report,
    study_status,
    submission,
    view_study,
)
from lkm_tune.ledger.run_table import COLUMNS
from lkm_tune.transfer.report.live_svg import _aligned, _levels
from tests.serve.conftest import BEARER, add_run, fill, server


@pytest.fixture(scope="module")
def http(filled):
    with server(filled) as client:
        yield client


def wait_for(check, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def test_the_api_tells_what_status_tells(http, filled):
    listed = {one["name"]: one for one in http.get("/api/v1/studies").json()}
    assert listed.keys() == {"done", "half"}
    for name, one in listed.items():
        status = study_status(name, filled)
        assert (one["ended"], one["planned"]) == (status.ended, status.planned)
        assert one["state"] == status.state
    assert "γ = 0.01" in listed["done"]["decision"]
    half = http.get("/api/v1/studies/half").json()
    (curve,) = half["curves"]
    assert len(curve["runs"]) == 5 and curve["diverged"] == [1.0] and curve["answer"] is None
    assert [one["reason"] for one in half["broken"]] == ["ValueError: <script>alert(1)</script>"]


def test_runs_as_json_and_as_csv(http):
    rows = http.get("/api/v1/studies/half/runs").json()
    assert len(rows) == 7 and rows[0].keys() >= COLUMNS.keys()
    assert {row["status"] for row in rows} == {"complete", "failed", "diverged"}
    text = http.get("/api/v1/studies/half/runs.csv").text
    listed = list(csv.DictReader(io.StringIO(text)))
    assert [row["trial"] for row in listed] == [row["trial"] for row in rows]


def test_report_tables(http, filled):
    stored = json.loads((filled / "studies/done/report/transfer.json").read_text())
    assert http.get("/api/v1/studies/done/report").json()["regret"] == stored["regret"]
    assert http.get("/api/v1/studies/done/report/regret").json() == stored["regret"]
    page = http.get("/studies/done/report/report.html")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize(
    "question",
    [{}, {"model": "gin", "task": "qm9/homo"}, {"model": "pamnet", "task": "qm9/mu"},
     {"model": "gin", "margin": 0.05}, {"study": "done"}],
)  # fmt: skip
def test_best_gamma_is_that_of_the_command(http, filled, question):
    told = http.get("/api/v1/best-gamma", params=question).json()
    lines = best_gamma_lines(filled, **question)
    answers = best_gamma(filled, **question)
    assert told == {"stale": told["stale"], "answers": answers, "lines": lines}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/studies/none", 404, "there are: "),
        ("/api/v1/studies/half/report", 404, "no report yet"),
        ("/api/v1/studies/done/report/none", 404, "no table 'none'"),
        ("/api/v1/best-gamma?model=none", 404, "there are: "),
        ("/api/v1/best-gamma?margin=2", 422, "invalid parameters"),
        ("/api/v1/best-gamma?margin=0.03", 404, "margins"),
        ("/api/v1/events?study=none", 404, "there are: "),
        ("/api/v1/none", 404, "GET /api/v1/none is no page and no operation here"),
        ("/api/v1/studies/" + "x" * 5000, 404, f"there is no study '{'x' * 100}'; there are: "),
        ("/studies/done/report/none.txt", 404, "no file none.txt"),
    ],
)
def test_errors_are_problems(http, path, status, detail):
    answer = http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert detail in problem["detail"] and problem["title"]


def test_a_wrong_method_is_a_problem(http):
    answer = http.request("PUT", "/api/v1/studies", headers=BEARER)
    assert answer.status_code == 405 and answer.headers["content-type"].startswith(
        "application/pro"
    )


@pytest.mark.parametrize("path", [
    "/", "/studies/done", "/ask", "/submit", "/docs", "/login", "/static/live.js",
    "/studies/done/report/report.html", "/api/v1/studies", "/api/v1/studies/half/runs.csv",
    "/api/v1/events", "/api/v1/none", "/studies/none",
])  # fmt: skip
def test_head_has_the_status_of_get(http, path):
    head = http.head(path)
    if path.endswith("events"):
        assert head.status_code == 200
        assert head.headers["content-type"].startswith("text/event-stream")
        return
    got = http.get(path)
    assert head.status_code == got.status_code
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == got.headers[name]


def test_the_level_of_a_page_is_that_of_the_report(tmp_path):
    """Most seeds are low and one is high: the median would be far from the report's mean."""
    study, _, ledger = fill(tmp_path, "skewed", models=("gin",), tasks=("qm9/homo",), done=0)
    rng = np.random.default_rng(0)
    for seed, high in ((1, 0.0), (2, 0.0), (3, 0.6)):
        for gamma in study.curve.gammas:
            error = float(np.exp(high - 0.05 * (gamma == 0.01) + rng.normal(0, 0.004)))
            spec = ledger.add_point(study.cells[0], "curve", {"gamma": gamma}, seed)
            summary = {"val_error": error, "test_error": error, "device": "cpu", "seconds": 1.0}
            ledger.finish(spec, "complete", summary, "full budget")
    make_report(tmp_path, "skewed")
    (curve,) = view_study("skewed", tmp_path).curves
    gamma, seed, error = map(np.array, zip(*curve.runs, strict=True))
    level = _levels(gamma, _aligned(gamma, seed, error))[0]
    assert level == pytest.approx(curve.answer["control_error"], rel=0.01)
    assert level == pytest.approx(np.exp(0.2), rel=0.02)


class Structure(HTMLParser):
    """The ids, links and texts of a page; every opened element must be closed."""

    VOID = {"meta", "link", "input", "br", "img", "option", "path", "line", "rect", "circle"}

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.open = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        assert not any(name.startswith("on") or name == "style" for name in found)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", ["γ = 0.01", "60 of 60 trials", "No report yet", "Not finished, not running"]),
        ("/studies/done", ["<svg", "Does the γ of one cell work", "use γ = 0.01", "Finished"]),
        ("/studies/half", ["Broken trials", "diverges", "&lt;script&gt;alert(1)"]),
        ("/ask", ["gin on qm9/homo", "lkm-tune export --study done"]),
        ("/ask?model=gin&task=qm9/homo", ["runs with 3 seeds", "lkm-tune train --config"]),
        ("/ask?model=pamnet&task=qm9/mu", ["Predicted from", "lkm-tune train --model pamnet"]),
        ("/ask?model=none", ["No finished curve of none"]),
        *((f"/ask?margin={text}", ["The margin must be a number between 0 and 1"])
          for text in ("much", "1e400", "-1", "1", "nan", "-0.0", "0,05")),
        ("/submit", ["needs the token", "The study file"]),
        ("/login", ["The token of the server"]),
        ("/docs", ["POST /api/v1/studies", "/api/v1/best-gamma"]),
        ("/none", ["Not Found"]),
    ],
)  # fmt: skip
def test_pages_without_a_script(http, path, said):
    html = http.get(path, headers={"accept": "text/html"}).text
    for text in said:
        assert text in html
    page = Structure(html)
    assert len(page.ids) == len(set(page.ids))
    assert "<script>" not in html
    for link in page.links:
        if link.startswith("/"):
            assert http.get(link).status_code == 200


def test_the_matrix_of_a_page_is_that_of_the_report(http, filled):
    """A bound is rounded up on both."""
    costs = [
        re.findall(r'class="m\d"[^>]*>\s*(\S [^\s<]+)\s*</td>', html.partition("<tbody>")[2])
        for html in (
            http.get("/studies/done").text.partition('class="matrix')[2],
            (filled / "studies/done/report/report.html").read_text().partition('class="matrix')[2],
        )
    ]
    assert len(costs[0]) == 12 and costs[0] == costs[1]


def test_what_trials_hold_in_words(filled):
    nodes = {
        "192.0.2.2": {"trials": 2.0, "cpu": 2.0, "gpu": 0.5, "of_cpu": 4.0, "of_gpu": 1.0},
        "192.0.2.3": {"trials": 1.0, "cpu": 1.0, "gpu": 0.0, "of_cpu": 2.0, "of_gpu": 0.0},
        "192.0.2.4": {"trials": 0.0, "cpu": 0.0, "gpu": 0.0, "of_cpu": 2.0, "of_gpu": 0.0},
        "starting": {"trials": 1.0, "cpu": 1.0, "gpu": 0.0},
    }
    assert replace(study_status("half", filled), nodes=nodes).nodes_in_words == [
        "node 192.0.2.2: 2 trials hold 2 of 4 CPU and 0.5 of 1 GPU",
        "node 192.0.2.3: 1 trial holds 1 of 2 CPU",
        "node 192.0.2.4 is idle, with 2 CPU",
        "1 trial starts and holds 1 CPU",
    ]


def test_a_copied_study_has_the_name_of_its_folder(storage):
    shutil.copytree(storage / "studies/done", storage / "studies/copy")
    with server(storage) as http:
        listed = [one["name"] for one in http.get("/api/v1/studies").json()]
        assert sorted(listed) == ["copy", "done", "half"]
        assert http.get("/api/v1/studies/copy").json()["name"] == "copy"


def test_a_study_of_another_user_is_named(storage, monkeypatch):
    def may(path, mode):
        return Path(path).name != "half"

    def closed(name, place):
        if name == "half":
            raise PermissionError(13, "Permission denied")
        return submission(name, place)

    monkeypatch.setattr("lkm_tune.app.studies.os.access", may)
    monkeypatch.setattr("lkm_tune.app.submission", closed)
    (storage / "studies/half/study.json").unlink()
    with server(storage) as http:
        listed = {one["name"]: one["state"] for one in http.get("/api/v1/studies").json()}
        assert listed["half"] == "the files of the study cannot be read: Permission denied"


def test_a_page_follows_its_ledger(storage):
    with server(storage) as http:
        study, _, ledger = fill(storage, "grows", models=("gin",), tasks=("qm9/homo",), done=1)
        wait_for(lambda: "grows" in http.get("/").text)
        wait_for(lambda: http.get("/studies/grows").text.count("<circle") == 1)
        add_run(ledger, study.cells[0], 0.01, 1, np.random.default_rng(1))
        wait_for(lambda: http.get("/studies/grows").text.count("<circle") == 2)
        assert http.get("/api/v1/studies/grows").json()["ended"] == 2


def test_a_damaged_ledger_is_named_and_harms_no_other_study(storage):
    ledger = storage / "studies/half/ledger.jsonl"
    lines = ledger.read_text().splitlines()
    ledger.write_text("\n".join([*lines[:3], "{broken", *lines[3:]]) + "\n")
    with server(storage) as http:
        listed = {one["name"]: one["state"] for one in http.get("/api/v1/studies").json()}
        assert listed["done"] == "finished" and "is damaged in line 4" in listed["half"]
        assert "is damaged in line 4" in http.get("/studies/half").text
        for path in ("runs", "runs.csv", "report"):
            told = http.get(f"/api/v1/studies/half/{path}")
            assert told.status_code == 404 and "is damaged in line 4" in told.json()["detail"]


def test_an_empty_folder(tmp_path):
    with server(tmp_path / "none") as http:
        assert http.get("/api/v1/studies").json() == []
        assert "No study has run here" in http.get("/").text
        assert http.get("/ask").status_code in (404, 503)


def test_every_answer_matches_its_description(http):
    described = http.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    schemas = described["components"]["schemas"]
    for name in ("ListedStudy", "Study", "Run", "Answer", "Problem", "CheckedStudy"):
        assert name in schemas
    known = {re.sub(r"\{\w+\}", "x", path) for path in described["paths"]}
    assert "/api/v1/studies/x/continue" in known
