"""Addresses of runs, and the command that shows them."""

import shlex
from pathlib import Path

import pytest

from lkm_tune.tracking import tracking_uri, ui_command


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
