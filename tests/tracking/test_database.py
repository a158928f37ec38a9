"""The database of a storage folder is complete or absent after any kill during its creation."""

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from lkm_tune.tracking.experiments import open_client

MAKE = "import sys; from lkm_tune.tracking.experiments import open_client; open_client(sys.argv[1])"


def make_and_die(uri, unfinished):
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri], stderr=subprocess.DEVNULL)
    # The kill comes in the middle of the migrations, which end near a megabyte.
    while not (unfinished.exists() and unfinished.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()


@pytest.mark.parametrize("cached", [True, False])
def test_a_database_survives_the_death_of_the_process_that_makes_it(tmp_path, monkeypatch, cached):
    storage, cache = tmp_path / "storage", tmp_path / "cache"
    if not cached:
        cache.write_text("a file, in which nothing can be kept")
    monkeypatch.setenv("LKM_TUNE_CACHE", str(cache))
    file = storage / "mlflow.db"
    uri = f"sqlite:///{file}"
    empty = cache / f"mlflow-{version('mlflow')}.db"
    make_and_die(uri, (empty if cached else file).with_suffix(".db.unfinished"))
    client = open_client(uri)
    default = client.get_experiment_by_name("Default")
    assert default.artifact_location == str(Path("mlruns/0").absolute())
    client.create_experiment("study")
    assert {path.name for path in storage.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    if cached:
        assert {path.name for path in cache.iterdir()} == {empty.name, f"{empty.name}.lock"}


def test_databases_share_nothing_but_their_beginning(tmp_path, monkeypatch):
    monkeypatch.setenv("LKM_TUNE_CACHE", str(tmp_path / "cache"))
    first = open_client(f"sqlite:///{tmp_path / 'first' / 'mlflow.db'}")
    first.create_experiment("study")
    monkeypatch.chdir(tmp_path)
    second = open_client(f"sqlite:///{tmp_path / 'second' / 'mlflow.db'}")
    assert second.get_experiment_by_name("study") is None
    default = second.get_experiment_by_name("Default")
    assert default.artifact_location == str(tmp_path / "mlruns/0")
