"""Nodes that die, or are cut off and return, during a study."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .tiny_study import check_whole, reported_epochs, trained_epochs

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
    assert trained_epochs(folder) - reported_epochs(whole) <= 2
