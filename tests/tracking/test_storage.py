"""Addresses of runs, and the command that shows them."""

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from lkm_tune.tracking import tracking_uri, ui_command
from lkm_tune.tracking.database import make_database


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_the_default_is_a_database_in_the_storage_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking_uri("lkm-runs") == f"sqlite:///{tmp_path}/lkm-runs/mlflow.db"
    assert tracking_uri(Path("~/runs")) == f"sqlite:///{Path.home()}/runs/mlflow.db"


def test_the_environment_decides(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert tracking_uri(tmp_path) == "http://host:5000"
    assert ui_command(tmp_path).endswith(" -m webbrowser http://host:5000")


def test_ui_command_survives_a_shell(tmp_path):
    words = shlex.split(ui_command(tmp_path / "my runs"))
    assert words[1:4] == ["-m", "mlflow", "ui"]
    assert words[-1] == f"sqlite:///{tmp_path}/my runs/mlflow.db"


def test_ui_command_shows_no_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/db")
    assert ui_command(tmp_path).endswith('--backend-store-uri "$MLFLOW_TRACKING_URI"')


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%3Fb"])
def test_a_folder_that_an_address_cannot_name_is_refused(tmp_path, monkeypatch, name):
    """MLflow and SQLAlchemy would write into another file."""
    with pytest.raises(
        ValueError, match=rf"must not contain .*, but {tmp_path}/a.*b/mlflow.db contains"
    ):
        tracking_uri(tmp_path / name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert tracking_uri(tmp_path / name) == "http://host:5000"


@pytest.mark.parametrize("name", ["a b", "é;&=+'", "a" * 200])
def test_the_runs_of_every_other_folder_are_in_its_own_database(tmp_path, name):
    uri = tracking_uri(tmp_path / name)
    make_database(tmp_path / name / "mlflow.db")
    assert MlflowClient(uri).create_experiment("x") is not None
    with closing(sqlite3.connect(tmp_path / name / "mlflow.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM experiments")]
    assert "x" in names and [path.name for path in tmp_path.iterdir()] == [name]
