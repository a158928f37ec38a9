"""A study on two nodes that cannot open the data of trials, from the start or later."""

import json
import shutil
import subprocess
import sys

import pytest

from .test_cluster import QUICK, steps, wait_for
from .tiny_study import table

pytestmark = pytest.mark.survival

# A head without trials, and a node for each folder of prepared data.
CLUSTER = """
import os
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
for folder in sys.argv[1:]:
    os.environ["LKM_TUNE_CACHE"] = folder
    cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
FEW = ("--set", "search.trials=8", "--set", "search.max_concurrent=2", "--set", "curve.seeds=[1]")
TRIALS = 8 + 3


@pytest.fixture
def cluster(request, environment, folder):
    """The address of a cluster; a node is broken if its folder of prepared data is a file."""
    caches = [folder / f"{state}-{number}" for number, state in enumerate(request.param.split())]
    for cache in caches:
        cache.touch() if cache.name.startswith("broken") else cache.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER, *map(str, caches)],
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


def check_complete(folder, name):
    """Checks that every trial has ended, and that the report names the node."""
    runs = table(folder)
    assert len(runs) == TRIALS
    assert set(runs["status"]) <= {"complete", "stopped"}
    study = folder / "lkm-runs/studies/tiny"
    (node,) = json.loads((study / "left_out.json").read_text())
    assert name in node["reason"]
    assert "nodes left out for a time" in (study / "report/report.html").read_text()
    return (study / "ledger.jsonl").read_text().count('"cause":"machine"')


@pytest.mark.parametrize("cluster", ["sound broken"], indirect=True)
def test_a_node_without_its_data_gets_no_trial(cluster, lkm_tune, folder):
    said = lkm_tune("run", "tiny.yaml", *FEW, "--address", cluster, cwd=folder, **QUICK)
    assert "a node is left out for a time" in said
    assert check_complete(folder, "broken-1") == 0


@pytest.mark.parametrize("cluster", ["sound later"], indirect=True)
def test_a_node_that_loses_its_data_costs_no_trial(cluster, start, folder):
    process = start("run", "tiny.yaml", *FEW, "--address", cluster, cwd=folder, **QUICK)
    wait_for(lambda: len(set(steps(folder))) == 2, "trials on both nodes")
    shutil.rmtree(folder / "later-1")
    (folder / "later-1").touch()
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    assert "left out for a time" not in output
    assert check_complete(folder, "later-1") >= 2


@pytest.mark.parametrize("cluster", ["broken broken"], indirect=True)
def test_a_study_without_a_sound_node_is_refused(cluster, lkm_tune, folder):
    said = lkm_tune("run", "tiny.yaml", *FEW, "--address", cluster, code=1, cwd=folder, **QUICK)
    assert "these nodes cannot work on the study" in said
    assert "broken-0" in said and "broken-1" in said
    assert not steps(folder)
