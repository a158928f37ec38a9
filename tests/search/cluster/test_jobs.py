"""Drivers of studies as jobs of Ray; a stand-in for Ray's client runs them in a shell."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from lkm_tune.search.cluster import jobs


class Client:
    """Keeps jobs and runs each entrypoint as Ray does: as a command of a shell."""

    def __init__(self):
        self.jobs, self.stopped = [], []

    def submit_job(self, entrypoint, metadata, runtime_env):
        variables = {"PATH": "/usr/bin:/bin", **runtime_env["env_vars"]}
        done = subprocess.run(entrypoint, shell=True, env=variables, capture_output=True, text=True)
        status = SimpleNamespace(is_terminal=lambda: bool(done.returncode))
        name = f"job-{len(self.jobs)}"
        self.jobs.append(SimpleNamespace(submission_id=name, metadata=metadata, status=status))
        self.jobs[-1].output = done.stdout
        return name

    def list_jobs(self):
        return [SimpleNamespace(submission_id="other", metadata=None, status=None), *self.jobs]

    def stop_job(self, name):
        self.stopped.append(name)


@pytest.fixture
def client(monkeypatch):
    found = Client()
    monkeypatch.setattr(jobs, "_client", lambda dashboard: found)
    return found


def test_a_job_prints_for_ray_and_into_the_folder(client, tmp_path, monkeypatch, capsys):
    folder = tmp_path / 'it\'s a "folder" $HOME'
    folder.mkdir()
    monkeypatch.chdir(folder)
    said = "import os, sys; print(os.getcwd(), sys.argv[1:]); sys.exit('broken')"
    jobs.main("submit", "http://x", str(folder), sys.executable, "-c", said, "a b", "$c")
    assert capsys.readouterr().out == "job-0"
    text = f"{folder} ['a b', '$c']\n"
    assert text in client.jobs[0].output
    assert (folder / "output.log").read_text().splitlines()[-1] == "broken"
    assert client.jobs[0].status.is_terminal(), "the job fails with its driver"


def test_the_job_of_a_folder_is_stopped(client, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        jobs.submit("http://x", str(tmp_path / name), ["true"])
    assert jobs.stop("http://x", str(tmp_path / "two")) == "job-1" and client.stopped == ["job-1"]
    with pytest.raises(LookupError, match="no job of Ray runs the study"):
        jobs.stop("http://x", str(tmp_path / "three"))


def test_a_job_gets_settings_and_no_secrets():
    passed = {"LKM_TUNE_DATA": "/data", "MLFLOW_TRACKING_URI": "http://head:5000"}
    kept_back = {
        "LKM_TUNE_TOKEN": "secret", "MLFLOW_TRACKING_PASSWORD": "secret",
        "RAY_AUTH_TOKEN": "secret",
        "LKM_TUNE_MLFLOW_DATABASE": "postgresql://lab:secret@host/runs", "HOME": "/home/lab",
    }  # fmt: skip
    assert jobs.passed_on({**passed, **kept_back}) == passed
    assert jobs.passed_on({"MLFLOW_TRACKING_URI": "https://lab:secret@head"}) == {}
