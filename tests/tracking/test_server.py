"""The recorder against an MLflow server that goes away and comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.reader import read_runs


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def server(place, port):
    """A server over the folder's database, killed with its workers at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", place.uri, "--artifacts-destination", str(place.artifacts)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=place.root, start_new_session=True, **quiet)
    try:
        wait_until_healthy(port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_healthy(port):
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.mark.slow
def test_a_server_that_goes_away(place, play, port):
    uri = f"http://127.0.0.1:{port}"
    recorder = StudyRecorder(play.make_study(), place.folder, uri, place.artifacts, interval=0.01)
    with server(place, port):
        play.trial(recorder, play.make_trial())
        assert recorder.flush(60) == 0
    play.trial(recorder, play.make_trial(number=1))
    assert recorder.flush(5) > 0
    (place.root / "report").mkdir()
    (place.root / "report" / "report.html").write_text("<p>γ</p>")
    recorder.log_report(place.root / "report")
    with server(place, port):
        assert recorder.close(60) == 0
        table = read_runs(uri)
    assert table["status"].to_list() == ["complete", "complete"]
    assert list(place.artifacts.rglob("report.html"))
