"""An MLflow server that asks for a password and keeps its artifacts in S3."""

from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient
from mlflow_databases import free_port
from mlflow_server import server
from s3_server import s3_server

from lkm_tune.tracking import StudyRecorder
from lkm_tune.tracking.delivery import RefusedError

ACCOUNT = """
[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/accounts.db
admin_username = keeper
admin_password = {password}
"""
PASSWORD = "correct-horse-battery-42"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "accounts.ini").write_text(ACCOUNT.format(folder=folder, password=PASSWORD))
    port = free_port()
    with s3_server(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(folder / "accounts.ini"))
        patch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "of these tests")
        options = ("--app-name", "basic-auth")
        database = f"sqlite:///{folder}/runs.db"
        with server(database, port, folder, "s3://bucket/artifacts", options):
            yield f"http://127.0.0.1:{port}"


def open_recorder(uri, folder, play):
    return StudyRecorder(play.make_study(), folder, uri, folder, 0.01, play.FACTS)


def test_a_study_with_a_password_has_its_artifacts_in_the_bucket(uri, tmp_path, play, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "keeper")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    recorder = open_recorder(uri, tmp_path, play)
    recorder.check(60)
    play.study(recorder, tmp_path / "report")
    # The server hashes the password for every request, which takes long on a busy machine.
    assert recorder.close(300) == 0
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("small").experiment_id
    (report,) = client.search_runs([experiment], "attributes.run_name = 'report'")
    held = boto3.client("s3").list_objects_v2(Bucket="bucket", Prefix="artifacts/")["Contents"]
    names = [item["Key"] for item in held]
    assert any(report.info.run_id in name and name.endswith("report.html") for name in names)
    copy = client.download_artifacts(report.info.run_id, "report.html", str(tmp_path))
    assert Path(copy).read_text() == "<p>γ</p>"


def test_a_wrong_password_is_named_and_shown_nowhere(uri, tmp_path, play, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "keeper")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "guessed-7381")
    recorder = open_recorder(uri, tmp_path, play)
    with pytest.raises(RefusedError, match="set MLFLOW_TRACKING_USERNAME and") as refused:
        recorder.check(60)
    assert "guessed-7381" not in f"{refused.value} {caplog.text}"
