"""A study on two nodes, one of which cannot open the data of trials."""

import json
import subprocess
import sys

import pytest

from .test_cluster import QUICK
from .tiny_study import table

# A head without trials, a sound node, and a node whose folder of prepared data is a file.
CLUSTER = """
import os
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
cluster.add_node(num_cpus=1)
os.environ["LKM_TUNE_CACHE"] = sys.argv[1]
cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
FEW = ("--set", "search.trials=4", "--set", "search.max_concurrent=2", "--set", "curve.seeds=[1]")


@pytest.fixture
def cluster(environment, folder):
    """The address of the cluster."""
    file = folder / "no-folder"
    file.touch()
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(file)],
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


def test_a_node_without_its_data_costs_no_trial(cluster, lkm_tune, folder):
    lkm_tune("run", "tiny.yaml", *FEW, "--address", cluster, cwd=folder, **QUICK)
    runs = table(folder)
    assert len(runs) == 4 + 3
    assert set(runs["status"]) <= {"complete", "stopped"}
    study = folder / "lkm-runs/studies/tiny"
    (node,) = json.loads((study / "left_out.json").read_text())
    assert "no-folder" in node["reason"]
    assert "nodes left out for a time" in (study / "report/report.html").read_text()
    broken = (study / "ledger.jsonl").read_text().count('"cause":"machine"')
    assert broken >= 2
