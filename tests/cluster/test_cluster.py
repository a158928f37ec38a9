"""`ray up`, `ray submit` over real ssh between machines with networks of their own.

A head, two workers and a laptop are processes in Linux namespaces (`hosts.py`). What a study must
have at its end is the same whatever was broken on the way.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from .hosts import CHECKOUT, lab, outside, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

STUDY = """
name: {name}
models: {{pamnet: {{hidden: 16}}}}
tasks: [qm9/alpha]
data: {{source: sample, n_train: 200, n_val: 50, n_test: 50}}
space:
  gamma: {{type: float, low: 1e-4, high: 100, log: true}}
  depth: {{type: int, low: 2, high: 3}}
search: {{trials: 6, startup_trials: 6, grace_period: 8, control: false}}
curve: {{gammas: [0, 0.1], seeds: [1, 2, 3]}}
training: {{epochs: 8, batch_size: 16, warmup_epochs: 1}}
resources: {{cpu: 1}}
"""
TRIALS, EPOCHS = 12, 8

# Run on the head: what MLflow's server knows of a study.
ASK_MLFLOW = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[1])
runs = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
print(json.dumps([
    [run.data.tags["lkm.trial"], run.info.status,
     [metric.step for metric in client.get_metric_history(run.info.run_id, "val/error")]]
    for run in runs if run.data.tags["lkm.kind"] == "trial"
]))
"""


@pytest.fixture(scope="module")
def cluster():
    with lab(["head", "worker-1", "worker-2"]) as machines:
        machines.config = machines.laptop / "config.yaml"
        machines.config.write_text(filled_in(machines))
        machines.shell("ray get-auth-token --generate", 120)
        machines.head = machines.hosts["head"]
        up(machines)
        yield machines


def filled_in(machines):
    """`cluster/config.yaml` with its lines to fill in filled in, and nothing else changed."""
    text = (CHECKOUT / "cluster/config.yaml").read_text()
    addresses = [host.address for host in machines.hosts.values()]
    for example, value in {
        "head_ip: 192.0.2.10": f"head_ip: {addresses[0]}",
        "[192.0.2.11, 192.0.2.12]": f"[{', '.join(addresses[1:])}]",
        "ssh_user: lkm": "ssh_user: root",
        "~/.ssh/id_ed25519": str(machines.base / "key"),
    }.items():
        assert text.count(example) == 1, example
        text = text.replace(example, value)
    return text


def up(machines):
    # The homes of these hosts are not shared, so the head is told of a folder that is.
    choices = (CHECKOUT / "cluster/node.env").read_text()
    storage = f"LKM_TUNE_STORAGE={machines.base / 'shared'}"
    (machines.head.home / ".lkm-tune.env").write_text(choices.replace("LKM_TUNE_STORAGE=", storage))
    machines.shell(f"ray up --yes {machines.config}", 600)
    wait_until(lambda: nodes_of(machines) == 3, 300, "three nodes")


def nodes_of(machines):
    code = (
        "import ray; ray.init('auto', logging_level=40); "
        "print('nodes', sum(node['Alive'] for node in ray.nodes()))"
    )
    done = machines.ssh(machines.head, f'python -c "{code}"', 120, check=False)
    found = re.search(r"^nodes (\d+)", done.stdout, re.MULTILINE)
    return int(found.group(1)) if found else 0


def submit(machines, arguments="", timeout=1200, check=True):
    return machines.shell(f"ray submit {machines.config} tune.py {arguments}", timeout, check)


@contextmanager
def submitted(machines, name, check=True):
    """A small study on its way, with trials on all three nodes; it has ended when this is left."""
    study = machines.laptop / f"{name}.yaml"
    study.write_text(STUDY.format(name=name))
    machines.shell(f"ray rsync-up {machines.config} {study} '~/{name}.yaml'", 120)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(submit(machines, f"{name}.yaml", check=False))
    )
    thread.start()
    try:
        wait_until(lambda: len(running_on(machines, name)) == 3, 300, "trials on every node")
        yield results
    finally:
        thread.join()
    if check:
        assert results[0].returncode == 0, results[0].stdout + results[0].stderr


def status(machines, name):
    done = machines.ssh(machines.head, f"lkm-tune status {name} --json", 120, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def running_on(machines, name):
    """The nodes on which trials of a study run now."""
    nodes = status(machines, name).get("nodes", {})
    return [address for address, use in nodes.items() if use["trials"]]


def check_complete(machines, name, trials=TRIALS, epochs=EPOCHS):
    """Every run once, ended, with each epoch once; the report is there; no checkpoint is left."""
    done = machines.ssh(machines.head, f"python - {name} <<'END'\n{ASK_MLFLOW}\nEND", 180)
    runs = json.loads(done.stdout.splitlines()[-1])
    keys = [key for key, _, _ in runs]
    assert len(keys) == len(set(keys)) == trials
    for key, ended, steps in runs:
        assert ended in ("FINISHED", "KILLED"), (key, ended)
        assert steps == list(range(1, len(steps) + 1)), (key, steps)
        assert ended == "KILLED" or len(steps) == epochs, (key, steps)
    folder = machines.base / "shared/studies" / name
    assert (folder / "report/report.html").exists()
    assert not list(folder.rglob("attempt-*")), "checkpoints of trials that have ended"


def test_the_default_study_runs_on_all_nodes(cluster):
    results = []
    thread = threading.Thread(target=lambda: results.append(submit(cluster, check=False)))
    thread.start()
    wait_until(lambda: len(running_on(cluster, "quickstart")) == 3, 300, "trials on every node")
    thread.join()
    assert results[0].returncode == 0, results[0].stdout + results[0].stderr
    check_complete(cluster, "quickstart", trials=80, epochs=30)
    again = submit(cluster)
    assert "not enough evidence" in again.stdout or "transfers" in again.stdout


def test_a_worker_is_killed(cluster):
    with submitted(cluster, "worker-killed"):
        cluster.hosts["worker-1"].kill()
    check_complete(cluster, "worker-killed")
    cluster.hosts["worker-1"].boot(cluster.switch)
    wait_until(lambda: nodes_of(cluster) == 3, 300, "the worker to be taken back")


def test_a_worker_is_cut_off_for_a_minute(cluster):
    link = cluster.hosts["worker-2"].link
    with submitted(cluster, "cut-off"):
        outside(cluster.switch, f"ip link set {link} down")
        time.sleep(60)
        outside(cluster.switch, f"ip link set {link} up")
    check_complete(cluster, "cut-off")
    wait_until(lambda: nodes_of(cluster) == 3, 300, "the worker to be taken back")


def test_the_driver_is_killed(cluster):
    with submitted(cluster, "driver-killed", check=False) as results:
        for pid in cluster.head.pids("tune.py", "driver-killed"):
            os.kill(pid, signal.SIGKILL)
    assert results[0].returncode != 0
    submit(cluster, "driver-killed.yaml")
    check_complete(cluster, "driver-killed")


def test_the_mlflow_server_is_killed(cluster):
    with submitted(cluster, "mlflow-killed"):
        servers = cluster.head.pids("mlflow", "server")
        assert servers
        for pid in servers:
            os.kill(pid, signal.SIGKILL)
    check_complete(cluster, "mlflow-killed")


def test_the_head_is_killed_and_brought_up_again(cluster):
    with submitted(cluster, "head-killed", check=False) as results:
        cluster.head.kill()
    assert results[0].returncode != 0
    cluster.head.boot(cluster.switch)
    up(cluster)
    submit(cluster, "head-killed.yaml")
    check_complete(cluster, "head-killed")


def test_code_that_was_not_synced_is_refused(cluster):
    submitted_script = cluster.laptop / "tune.py"
    text = (CHECKOUT / "tune.py").read_text()
    submitted_script.write_text(text.replace('PACKAGE = "', 'PACKAGE = "0'))
    done = cluster.shell(f"ray submit {cluster.config} {submitted_script}", 120, check=False)
    assert done.returncode != 0
    assert "ray up cluster/config.yaml" in done.stdout + done.stderr


def test_a_folder_that_is_not_shared_is_refused_at_start(cluster):
    done = submit(cluster, "quickstart --storage ~/mine", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    for name in ("worker-1", "worker-2"):
        assert f"{cluster.hosts[name].address}: does not see" in said


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_the_token_nobody_gets_in(cluster, token):
    worker = cluster.hosts["worker-1"]
    environment = "HOME=$(mktemp -d)" + (f" RAY_AUTH_TOKEN={token}" if token else "")
    address = f"{cluster.head.address}:6379"
    code = f"import ray; ray.init('{address}', logging_level=40); print('i am in')"
    done = cluster.ssh(worker, f'{environment} timeout 60 python -c "{code}"', 90, check=False)
    assert done.returncode != 0
    assert "i am in" not in done.stdout
    # The dashboard with its Jobs API, and MLflow, listen on the head's loopback alone.
    for port in (8265, 5000):
        reach = f"curl -s -m 5 http://{cluster.head.address}:{port}/"
        assert cluster.ssh(worker, reach, check=False).returncode == 7
    # On the head itself the Jobs API wants the token.
    header = f"-H 'Authorization: Bearer {token}'" if token else ""
    ask = f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {header} http://127.0.0.1:8265/api/jobs/"
    assert cluster.ssh(cluster.head, ask).stdout.strip() in ("401", "403")


def test_no_secret_in_what_is_kept(cluster):
    token = (cluster.laptop / ".ray/auth_token").read_text().strip()
    places = [cluster.base / "shared", *(host.folder / "ray" for host in cluster.hosts.values())]
    search = ["grep", "-rl", token, *places]
    found = subprocess.run(search, capture_output=True, text=True)
    assert found.stdout == ""
