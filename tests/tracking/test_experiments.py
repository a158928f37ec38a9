"""The database of a storage folder: whole or not there, whoever is killed while it is made."""

import subprocess
import sys
import time

from lkm_tune.tracking.experiments import open_client

MAKE = "import sys; from lkm_tune.tracking.experiments import open_client; open_client(sys.argv[1])"


def test_a_database_survives_the_death_of_the_process_that_makes_it(tmp_path):
    file = tmp_path / "mlflow.db"
    uri = f"sqlite:///{file}"
    process = subprocess.Popen([sys.executable, "-c", MAKE, uri], stderr=subprocess.DEVNULL)
    # In the middle of the migrations, which end near a megabyte.
    unfinished = tmp_path / "mlflow.db.unfinished"
    while not (unfinished.exists() and unfinished.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    client = open_client(uri)
    assert client.get_experiment_by_name("Default") is not None
    client.create_experiment("study")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
