"""A study on a cluster that adds nodes for its trials on demand.

Ray's stand-in for a cloud starts the nodes as processes of this machine; they live in namespaces
and end with them.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from .hosts import PLACES, in_namespaces, inner, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CLOUD = {
    "cluster_name": "lab",
    "max_workers": 2,
    "idle_timeout_minutes": 0.2,
    "provider": {
        "type": "fake_multinode",
        **{"disable_node_updaters": True, "disable_launch_config_check": True},
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
    },
    # Ray fills these in for clouds that it knows better.
    **{"auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": []},
    **{"file_mounts_sync_continuously": False, "upscaling_speed": 1.0},
    **{f"{when}_commands": [] for when in ("initialization", "setup", "head_setup")},
    **{f"{who}_commands": [] for who in ("worker_setup", "head_start_ray", "worker_start_ray")},
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "spot": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
}
STUDY = """
name: asked
models: {pamnet: {hidden: 8}}
tasks: [qm9/alpha]
data: {source: sample, n_train: 100, n_val: 20, n_test: 20}
search: {trials: 8, startup_trials: 8, grace_period: 12, control: false}
curve: {gammas: [0, 0.1], seeds: [1, 2]}
training: {epochs: 12, batch_size: 16}
resources: {cpu: 1, gpu: auto}
"""
# The script that runs on the cloud's only machine; its processes end with the script.
MACHINE = """
mount --make-rprivate / && mount --bind {folder}/ray /tmp/ray && ip link set lo up
ip link add eth0 type bridge && ip address add 10.77.1.1/24 dev eth0 && ip link set eth0 up
ip route add default dev eth0
cd {folder} && export HOME={folder} TMPDIR={folder} PATH={programs}:$PATH RAY_AUTH_MODE=token
export RAY_FAKE_CLUSTER=1 RAY_enable_autoscaler_v2=0 AUTOSCALER_UPDATE_INTERVAL_S=1
(umask 077; ray get-auth-token --generate)
ray start --head --num-cpus=0 --include-dashboard=false --autoscaling-config=cloud.json
export LKM_TUNE_ADDRESS=auto
lkm-tune run asked.yaml --set name=refused; echo $? > refused
lkm-tune run asked.yaml --wait 3; echo $? > ended
sleep 3; ray status > status.part; mv status.part status
sleep infinity
"""


@pytest.fixture
def machine(tmp_path):
    """The folder of a study on a cloud that started without a node for trials."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("namespaces need root on Linux")
    made = not PLACES["ray"].exists()
    PLACES["ray"].mkdir(exist_ok=True, mode=0o700)
    # Short, because paths of sockets begin with it.
    folder = Path(tempfile.mkdtemp(prefix="lkm-cloud-"))
    (folder / "ray").mkdir()
    (folder / "cloud.json").write_text(json.dumps(CLOUD))
    (folder / "asked.yaml").write_text(STUDY)
    script = MACHINE.format(folder=folder, programs=Path(sys.executable).parent)
    process = in_namespaces(script, folder / "console.log")
    try:
        yield folder
    finally:
        os.kill(inner(process), signal.SIGKILL)
        process.wait(20)
        shutil.rmtree(folder)
        if made:
            # Another program of this machine may use the place since then.
            with suppress(OSError):
                PLACES["ray"].rmdir()


def test_nodes_are_asked_for_while_there_is_work_for_them(machine):
    wait_until((machine / "ended").exists, 400, "the study to end")
    said = (machine / "console.log").read_text()
    # Without --wait a study requests no nodes, and a cluster without room for a trial is refused.
    assert (machine / "refused").read_text().strip() == "1", said
    assert "a trial needs 1 CPU and 0 GPU on one node" in said
    assert (machine / "ended").read_text().strip() == "0", said
    # Both nodes were present at its end, at one address.
    nodes = json.loads((machine / "lkm-runs/studies/asked/use.json").read_text())["nodes"]
    assert nodes["10.77.1.1"]["of_cpu"] == 2
    # There are no more requests, so idle nodes may go. (The stand-in's nodes share an address, so
    # Ray takes them for one starting node and keeps them.)
    wait_until((machine / "status").exists, 60, "the cluster's state")
    assert "(no resource demands)" in (machine / "status").read_text()
