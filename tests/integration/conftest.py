"""Studies through the command, like a user's, on real Ray and a real MLflow database."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock
from mlflow_databases import open_databases

from lkm_tune.cli import cli

from .tiny_study import lay_out

STUDY = """
name: small
models:
  pamnet: {hidden: 8}
  mxmnet: {hidden: 8}
tasks: [qm9/alpha]
data: {source: sample, n_train: 48, n_val: 16, n_test: 16}
space:
  gamma: {type: float, low: 1e-4, high: 100, log: true}
  depth: {type: int, low: 1, high: 2}
  lr: {type: float, low: 1e-3, high: 1e-2, log: true}
search: {trials: 3, startup_trials: 2, grace_period: 1, control: true, max_concurrent: 1}
curve: {gammas: [0, 0.01, 1], seeds: [1, 2]}
training: {epochs: 3, batch_size: 16}
tracking: {system_metrics: true}
"""
TRIALS = 2 * (3 + 3 + 6 + 2)


@pytest.fixture(scope="session")
def common(tmp_path_factory):
    """A folder that pytest's processes share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def cache(common):
    return common / "cache"


@pytest.fixture(scope="session")
def environment(cache):
    kept = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return {**kept, "LKM_TUNE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def study_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "small.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="session")
def start(environment):
    """Starts `lkm-tune` as a separate process; no process outlives the tests."""
    started = []

    def start(*arguments, cwd=None, **changes):
        command = [str(Path(sys.executable).with_name("lkm-tune")), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def lkm_tune(start):
    """Runs `lkm-tune` to its end, checks its exit code and returns its output."""

    def run(*arguments, code=0, **options):
        process = start(*arguments, **options)
        output, _ = process.communicate(timeout=500)
        assert process.returncode == code, output
        return output

    return run


@pytest.fixture(scope="session")
def invoke(cache):
    """Runs a command in this process, which saves seconds of imports; returns its output."""

    def run(*arguments, code=0, stdin=None):
        own = {"LKM_TUNE_CACHE": str(cache), "MLFLOW_TRACKING_URI": None}
        result = CliRunner(env=own).invoke(cli, [*map(str, arguments)], input=stdin)
        assert result.exit_code == code, result.output
        return result.output

    return run


@pytest.fixture(scope="session")
def finished(lkm_tune, study_file, common, tmp_path_factory):
    """The storage folder of a whole study, and the output of the command.

    The study runs once; every process has a copy, in which tests make reports.
    """
    storage, printed = common / "finished", common / "finished.txt"
    with FileLock(common / "finished.lock"):
        if not printed.exists():
            printed.write_text(lkm_tune("run", study_file, "--storage", storage))
    own = tmp_path_factory.mktemp("finished") / "runs"
    shutil.copytree(storage, own)
    return own, printed.read_text()


@pytest.fixture
def folder(tmp_path):
    """A folder with the tiny study, before its run."""
    return lay_out(tmp_path)


@pytest.fixture(scope="session")
def whole(lkm_tune, tmp_path_factory):
    """The folder of the tiny study after an undisturbed run."""
    folder = lay_out(tmp_path_factory.mktemp("whole"))
    lkm_tune("run", "tiny.yaml", cwd=folder)
    return folder


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
)
def databases(request, tmp_path_factory):
    """Makes databases for MLflow, of both kinds."""
    with open_databases(request.param, tmp_path_factory.mktemp("mlflow")) as databases:
        yield databases
