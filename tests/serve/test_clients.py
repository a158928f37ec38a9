"""`best-gamma --url` and `submit --url` against a real server."""

import re

import pytest
from click.testing import CliRunner

from lkm_tune.app import make_report
from lkm_tune.cli import cli
from tests.serve.conftest import fill
from tests.serve.test_running import STUDY, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    fill(folder / "lkm-runs", "done", models=("gin",))
    make_report(folder / "lkm-runs", "done")
    make_report(folder / "lkm-runs")
    found = Server(folder)
    yield found
    found.stop()


@pytest.fixture
def ask(server, monkeypatch, tmp_path):
    """Runs a command with the address and the token of the server; returns code and output."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LKM_TUNE_TOKEN", server.headers["authorization"].removeprefix("Bearer "))

    def run(*arguments, url=server.url):
        done = CliRunner().invoke(cli, [*arguments, "--url", url])
        return done.exit_code, done.output

    return run


def test_best_gamma(ask, server):
    storage = str(server.folder / "lkm-runs")
    for question in ([], ["--model", "gin", "--task", "qm9/homo"], ["--json"]):
        here = CliRunner().invoke(cli, ["best-gamma", "--storage", storage, *question]).output
        code, there = ask("best-gamma", *question)
        assert code == 0 and there == here


def test_a_study_with_errors(ask, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY.replace("hidden: 8", "hiden: 8").replace("epochs: 2", "epochs: none"))
    for more in ([], ["--check"]):
        code, said = ask("submit", str(path), *more)
        assert code == 1
        assert [line for line, _ in re.findall(r"mine\.yaml:(\d+): (\S+)", said)] == ["3", "8"]
        assert "did you mean hidden?" in said


def test_the_plan_of_a_study(ask):
    code, said = ask("submit", "quickstart", "--check")
    assert code == 0 and "quickstart: 4 cells" in said and "hours of one thread" in said


def test_refusals_in_a_line(ask, server, monkeypatch, tmp_path):
    assert "does not answer as `lkm-tune serve`" in ask("best-gamma", url="http://127.0.0.1:9")[1]
    assert "does not answer" in ask("best-gamma", url="nonsense")[1]
    assert "/x/api/v1/best-gamma is no page" in ask("best-gamma", url=f"{server.url}/x")[1]
    assert "there are: gin on qm9/homo" in ask("best-gamma", "--model", "none")[1]
    code, said = ask("submit", "nosuch")
    assert code == 1 and said.startswith("Error: nosuch: is neither a file nor")
    monkeypatch.delenv("LKM_TUNE_TOKEN")
    code, said = ask("submit", "quickstart")
    assert code == 1 and "needs the token of the server: give it in LKM_TUNE_TOKEN" in said


def test_the_own_token_stays_on_this_machine(monkeypatch, tmp_path):
    from lkm_tune.cli.remote import _token

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LKM_TUNE_TOKEN", raising=False)
    (tmp_path / ".lkm-tune").mkdir()
    (tmp_path / ".lkm-tune" / "serve_token").write_text("own\n")
    assert {url: _token(url) for url in (
        "http://127.0.0.1:8420", "http://localhost", "http://[::1]:1", "http://example.org",
        "http://127.0.0.1.example.org", "http://localhost@example.org", "http://192.0.2.1",
    )} == {
        "http://127.0.0.1:8420": "own", "http://localhost": "own", "http://[::1]:1": "own",
        "http://example.org": "", "http://127.0.0.1.example.org": "",
        "http://localhost@example.org": "", "http://192.0.2.1": "",
    }  # fmt: skip
