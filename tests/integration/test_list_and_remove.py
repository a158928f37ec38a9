"""Studies of a storage folder in lines, and one of them taken away with everything of it."""

import json
import shutil
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from lkm_tune.tracking import tracking_uri

HOLD = """
import sys
from pathlib import Path
from lkm_tune.ledger.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_list(finished, invoke, tmp_path):
    storage, _ = finished
    (line,) = invoke("list", "--storage", storage).splitlines()[1:]
    (told,) = json.loads(invoke("list", "--storage", storage, "--json"))
    report = json.loads((storage / "studies/small/report/transfer.json").read_text())
    assert told["decision"] == report["summary"]["by_margin"]["0.02"]["all"]
    assert (told["study"], told["finished"]) == ("small", True)
    assert told["trials"] == {"planned": 28, "ended": 28}
    newest = max(path.stat().st_mtime for path in (storage / "studies/small").glob("*.json*"))
    assert told["changed"] >= newest - 60
    assert line.startswith("small  finished  28 of 28")
    assert told["decision"][:20] in line
    assert "no study has run in" in invoke("list", "--storage", tmp_path, code=1)


@pytest.fixture
def storage(finished, tmp_path):
    """A copy of the finished study that was once started afresh, and has files elsewhere."""
    storage = tmp_path / "runs"
    shutil.copytree(finished[0], storage)
    old = storage / "studies/small/before/20260101-000000"
    old.mkdir(parents=True)
    (old / "ledger.jsonl").write_text("")
    (tmp_path / "elsewhere/small/trial").mkdir(parents=True)
    (tmp_path / "elsewhere/other").mkdir()
    (old / "checkpoints.txt").write_text(str(tmp_path / "elsewhere/small"))
    client = MlflowClient(tracking_uri(storage))
    client.create_experiment("other", tags={"lkm.study": "small", "lkm.uuid": "another"})
    return storage


def experiments(storage, kind=ViewType.ACTIVE_ONLY):
    found = MlflowClient(tracking_uri(storage)).search_experiments(kind)
    return {one.name for one in found} - {"Default"}


def test_remove(storage, invoke, tmp_path):
    arguments = ("remove", "small", "--storage", storage)
    before = sorted(storage.rglob("*"))
    asked = invoke(*arguments, code=1)
    assert sorted(storage.rglob("*")) == before, "nobody said yes"
    places = [storage / "studies/small", tmp_path / "elsewhere/small", storage / "artifacts/small"]
    for place in places:
        assert f"  {place}\n" in asked
    assert "MLflow experiment small\n" in asked
    lock = storage / "studies/small/driver.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout.readline() == "held\n"
        assert f"process {driver.pid} on " in invoke(*arguments, "--yes", code=1)
        driver.stdin.close()
        driver.wait(30)
    assert experiments(storage) == {"other", "small"}
    assert "study small is removed" in invoke(*arguments, "--yes")
    assert [place for place in places if place.exists()] == []
    assert (tmp_path / "elsewhere/other").exists()
    assert experiments(storage) == {"other"}
    (deleted,) = experiments(storage, ViewType.DELETED_ONLY)
    assert deleted.startswith("small (removed ")
    assert "has not run in" in invoke(*arguments, "--yes", code=1)
