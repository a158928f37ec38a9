"""One driver per study, with real processes."""

import os
import signal
import subprocess
import sys

import pytest

from lkm_tune.ledger import lock
from lkm_tune.ledger.lock import StudyHeldError, hold

HOLDER = """
import sys, time
from pathlib import Path
from lkm_tune.ledger.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "driver.lock")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_driver_is_refused_and_told_who_holds_it(tmp_path, holder):
    message = f"already runs in process {holder.pid} on "
    with pytest.raises(StudyHeldError, match=message), hold(tmp_path / "driver.lock"):
        raise AssertionError("two drivers")


def test_looking_who_holds_it(tmp_path, holder):
    path = tmp_path / "driver.lock"
    assert lock.holder(path).startswith(f"process {holder.pid} on ")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert lock.holder(path) is None
    assert lock.holder(tmp_path / "other.lock") is None


def test_a_killed_driver_holds_nothing(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with hold(tmp_path / "driver.lock"):
        pass
