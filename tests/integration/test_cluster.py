"""Nodes that die, or are cut off and return, during a study; studies that share nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .tiny_study import GAP, check_whole, lay_out, reported_epochs, trained_epochs

pytestmark = pytest.mark.survival

# A head without trials, and two nodes for one trial each.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
for _ in range(2):
    cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
# Ray gives up a node that does not answer for two seconds.
QUICK = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}


@pytest.fixture
def cluster(environment, folder):
    """The address of a cluster on this machine."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        cwd=folder, env=environment | QUICK, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        line = ""
        while not line.startswith("address "):
            line = process.stdout.readline()
            assert line, "the cluster did not start"
        yield line.split()[1]
        process.stdin.close()
        process.wait(60)


def steps(folder):
    log = folder / "steps.log"
    return log.read_text().split() if log.exists() else []


def wait_for(condition, what):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def raylet_of(worker):
    """A worker's parent is the raylet of its node."""
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [False, True])
def test_a_lost_node(cluster, start, whole, folder, comes_back):
    process = start("run", "tiny.yaml", "--address", cluster, cwd=folder, **QUICK)
    wait_for(lambda: len(steps(folder)) >= 10, "the first trial")
    worker = int(steps(folder)[-1])
    node = [raylet_of(worker), worker]
    for pid in node:
        os.kill(pid, signal.SIGSTOP if comes_back else signal.SIGKILL)
    done = len(steps(folder))
    wait_for(lambda: len(steps(folder)) >= done + 10, "the other node to go on")
    assert int(steps(folder)[-1]) != worker
    if comes_back:
        for pid in node:
            os.kill(pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    check_whole(folder, whole)
    assert trained_epochs(folder) - reported_epochs(whole) <= 2 * GAP


# Another program that holds both nodes until its input ends.
OCCUPANT = """
import sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False)

@ray.remote(num_cpus=1)
class Holder:
    def here(self):
        return True

held = [Holder.remote() for _ in range(2)]
ray.get([one.here.remote() for one in held])
print("held", flush=True)
sys.stdin.read()
"""
MANY = ("--set", "search.trials=500", "--set", "search.max_concurrent=2")
FEW = ("--set", "search.trials=4", "--set", "search.max_concurrent=2")


def workers(folder, last):
    return set(steps(folder)[-last:])


def test_studies_share_a_cluster(cluster, start, invoke, environment, tmp_path):
    """With other programs, for which they wait, and with each other, half and half."""
    long, short = tmp_path / "long", tmp_path / "short"
    for folder in (long, short):
        folder.mkdir()
        lay_out(folder)
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", OCCUPANT, cluster],
        env=environment | QUICK, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as occupant:  # fmt: skip
        assert occupant.stdout.readline() == "held\n"
        first = start("run", "tiny.yaml", *MANY, "--address", cluster, cwd=long, **QUICK)

        def status():
            said = invoke("status", "tiny", "--json", "--storage", long / "lkm-runs")
            return json.loads(said)[0]

        use = long / "lkm-runs/studies/tiny/use.json"
        wait_for(lambda: use.exists() and status()["waiting"], "the study to wait")
        time.sleep(6)
        said = status()
        assert (said["trials"]["ended"], said["cells"][0]["search"]) == (0, {})
        assert said["spent_hours"]["wall"] * 3600 < 3, "waiting is no time that the study spends"
        assert "waiting for room" in invoke("status", "--storage", long / "lkm-runs")
        occupant.stdin.close()
        occupant.wait(60)
    wait_for(lambda: len(workers(long, 20)) == 2, "the study to use both nodes")
    second = start("run", "tiny.yaml", *FEW, "--address", cluster, cwd=short, **QUICK)
    wait_for(lambda: len(steps(short)) >= 32, "the second study to get its part")
    assert first.poll() is None
    done = len(steps(long))
    wait_for(lambda: len(steps(long)) >= done + 16, "the first study to go on beside it")
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    done = len(steps(long))
    wait_for(
        lambda: len(steps(long)) >= done + 40 and len(workers(long, 20)) == 2,
        "the first study to use both nodes again",
    )
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 130, output
    assert "the same command continues" in output and "SIGTERM received" not in output
    assert status()["spent_hours"]["wall"] * 3600 < time.monotonic() - began - 5
    wasted = trained_epochs(short) - reported_epochs(short)
    assert wasted <= 1, "what makes room goes on from its last epoch"
