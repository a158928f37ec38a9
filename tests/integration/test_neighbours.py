"""Studies of several users on one MLflow server, as they run them."""

import base64
import json
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from mlflow import MlflowClient
from mlflow_databases import free_port
from mlflow_server import server

from lkm_tune.tracking.importer import import_runs

from .tiny_study import trained_epochs

pytestmark = pytest.mark.survival

FEW = (
    "--set", "search.trials=1", "--set", "curve.seeds=[1]", "--set", "curve.gammas=[0, 0.01]",
)  # fmt: skip
PASSWORD = "correct-horse-42"


def runs_of(uri, experiment):
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000)
    return {run.info.run_id: (run.info.status, run.info.end_time, run.data.tags) for run in runs}


def test_two_studies_named_alike_on_one_server(databases, lkm_tune, folder):
    """The second is refused before it trains; with another experiment both are whole."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    shared = {"MLFLOW_TRACKING_URI": uri}
    with server(databases.empty(), port, folder):
        lkm_tune("run", "tiny.yaml", "--storage", "theirs", *FEW, cwd=folder, **shared)
        theirs, trained = runs_of(uri, "tiny"), trained_epochs(folder)
        mine = ("run", "tiny.yaml", "--storage", "mine", *FEW)
        for more in ((), ("--fresh",)):
            refused = lkm_tune(*mine, *more, cwd=folder, code=1, **shared)
            assert "belongs to another study folder (UUID " in refused
            assert "--experiment NAME" in refused
            assert trained_epochs(folder) == trained
        lkm_tune(*mine, "--experiment", "tiny of mine", cwd=folder, **shared)
        lkm_tune(*mine, cwd=folder, **shared)
        assert runs_of(uri, "tiny") == theirs
        assert len(runs_of(uri, "tiny of mine")) == len(theirs)
        read = ("report", "tiny", "--from-mlflow", uri, "--storage", "none")
        assert "tiny, tiny of mine" in lkm_tune(*read, cwd=folder, code=1)
        for experiment in ("tiny", "tiny of mine"):
            lkm_tune(*read, "--experiment", experiment, cwd=folder)
            made = json.loads(
                (folder / "none/from-mlflow" / experiment / "transfer.json").read_text()
            )
            assert len(made["answers"]) == 1


@contextmanager
def asking_for_a_password(port):
    """The port of a proxy before an MLflow server that lets only `me` in."""
    expected = f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"

    class Door(BaseHTTPRequestHandler):
        def forward(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            if self.headers.get("Authorization") != expected:
                self.answer(401, b"You are not authenticated.", "text/plain")
                return
            kept = {k: v for k, v in self.headers.items() if k not in ("Host", "Authorization")}
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}{self.path}", body, kept, method=self.command
            )
            try:
                with urllib.request.urlopen(asked, timeout=60) as got:
                    self.answer(got.status, got.read(), got.headers["Content-Type"])
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read(), error.headers["Content-Type"])

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        def answer(self, status, body, kind):
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield door.server_address[1]
    finally:
        door.shutdown()
        door.server_close()


def no_password_in(folder, *texts):
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert PASSWORD.encode() not in b"".join(written)
    assert PASSWORD not in "".join(texts)


def test_a_server_that_asks_for_a_password(databases, lkm_tune, folder):
    """By variables or in the address; refused, it says which; the password is written nowhere."""
    port, database = free_port(), databases.empty()
    run = ("run", "tiny.yaml", *FEW)
    with server(database, port, folder), asking_for_a_password(port) as door:
        address = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{door}"}
        user = {"MLFLOW_TRACKING_USERNAME": "me"}
        refusals = [
            lkm_tune(*run, cwd=folder, code=1, **address, **wrong)
            for wrong in ({}, user | {"MLFLOW_TRACKING_PASSWORD": f"{PASSWORD}-wrong"})
        ]
        for said in refusals:
            assert "MLflow's server wants another user or password" in said
            assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in said
        assert trained_epochs(folder) == 0
        right = user | {"MLFLOW_TRACKING_PASSWORD": PASSWORD}
        told = [lkm_tune(*run, cwd=folder, **address, **right)]
        within = {"MLFLOW_TRACKING_URI": f"http://me:{PASSWORD}@127.0.0.1:{door}"}
        told.append(lkm_tune(*run, "--set", "curve.seeds=[1, 2]", cwd=folder, **within))
        assert '-m webbrowser "$MLFLOW_TRACKING_URI"' in told[1]
        found = import_runs(f"http://127.0.0.1:{port}", ["tiny"])
        assert found["status"].tolist() == ["complete"] * 5
    no_password_in(folder, *refusals, *told)


def test_no_text_of_a_study_holds_the_password_of_an_address(lkm_tune, folder):
    wrong = {"MLFLOW_TRACKING_URI": f"postgre://me:{PASSWORD}@127.0.0.1:9/runs"}
    told = [
        lkm_tune("run", "tiny.yaml", *FEW, cwd=folder, **wrong),
        lkm_tune("run", "tiny.yaml", *FEW, "--fresh", cwd=folder, code=1, **wrong),
        lkm_tune("predict", "--model", "a" * 32, "tiny.yaml", cwd=folder, code=1, **wrong),
    ]
    assert "MLflow cannot be written: " in told[0]
    assert all("me:***@127.0.0.1:9" in text for text in told)
    no_password_in(folder, *told)
