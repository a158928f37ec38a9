"""An MLflow server that tests kill and start again."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager


@contextmanager
def server(database, port, folder, artifacts=None, options=()):
    """An MLflow server over a database, killed with its workers at the end of the block."""
    artifacts = artifacts or folder / "artifacts"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", artifacts, *options]
    # Tests need no jobs, and their processes take as long to start as the server.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, **quiet
    )
    try:
        wait_until_healthy(process, port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_healthy(process, port):
    for _ in range(1800):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")
