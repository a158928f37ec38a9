"""`ray up` and `ray submit` over real ssh between machines with separate networks.

A head, two workers and a laptop are processes in Linux namespaces (`hosts.py`). The expected end of
a study is the same after every disturbance.
"""

import json
import os
import re
import shlex
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from lkm_tune.transfer.report.text_lines import cell_lines

from .hosts import CHECKOUT, outside, wait_until
from .launch import submit, up, wait_for_nodes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2000)]

STUDY = """
name: {name}
models: {{pamnet: {{hidden: 16}}}}
tasks: [qm9/alpha]
data: {{source: sample, n_train: 200, n_val: 50, n_test: 50}}
space:
  gamma: {{type: float, low: 1e-4, high: 100, log: true}}
  depth: {{type: int, low: 2, high: 3}}
search: {{trials: 6, startup_trials: 6, grace_period: 16, control: false}}
curve: {{gammas: [0, 0.1], seeds: [1, 2]}}
training: {{epochs: 16, batch_size: 16, warmup_epochs: 1}}
resources: {{cpu: 1}}
"""
TRIALS, EPOCHS = 10, 16

# Runs on the head: the state of a study in MLflow's server.
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


# Runs on the laptop: a bucket of its S3 server, and its keys.
BUCKET = """
import boto3
bucket = boto3.resource("s3").Bucket("bucket")
bucket.create()
keys = [item.key for item in bucket.objects.all()]
print(*[key for key in keys if not key.endswith("/")], sep="\\n")
"""


def stored(machines):
    """The files in the object store."""
    done = machines.shell(f"python -W ignore -c {shlex.quote(BUCKET)}", 120, **machines.secrets)
    return done.stdout.split()


@contextmanager
def submitted(machines, name, options="", check=True):
    """A context with a small study that has trials on all three nodes; it ends with the study."""
    study = machines.laptop / f"{name}.yaml"
    study.write_text(STUDY.format(name=name))
    machines.shell(f"ray rsync-up {machines.config} {study} '~/{name}.yaml'", 120)
    with submitting(machines, f"{name}.yaml {options}") as results:
        yield results
    if check:
        assert results[0].returncode == 0, results[0].stdout + results[0].stderr


@contextmanager
def submitting(machines, arguments=""):
    """A context with `ray submit` of a study, from trials on all nodes to its end."""
    results = []
    thread = threading.Thread(
        target=lambda: results.append(submit(machines, arguments, check=False))
    )
    thread.start()
    try:
        wait_for_use(machines, results)
        assert not results, results[0].stdout + results[0].stderr
        yield results
    finally:
        thread.join()


def wait_for_use(machines, results=()):
    """Waits until trials run on all hosts, as long as processes come and go there.

    Each trial found stands still meanwhile: the first trials might end before the last ones begin.
    """
    hosts, held = machines.hosts.values(), set()

    def used():
        found = [training(host) for host in hosts]
        for pid in set().union(*found) - held:
            send(pid, signal.SIGSTOP)
            held.add(pid)
        return results or all(found)

    try:
        wait_until(used, 180, "all nodes' use", lambda: [host.pids() for host in hosts])
    finally:
        for pid in held:
            send(pid, signal.SIGCONT)


def training(host):
    """The training processes of a host; the driver's record may be outdated."""
    return host.pids("ray::", "Trainable.train")


def send(pid, number):
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def check_complete(machines, name, trials=TRIALS, epochs=EPOCHS):
    """Checks that every run is there once, has ended and has each epoch once.

    The study must have a report and no checkpoints.
    """
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


def causes(machines, name):
    """The causes of broken attempts in the ledger of a study."""
    ledger = machines.base / "shared/studies" / name / "ledger.jsonl"
    notes = [json.loads(line).get("user_attr", {}) for line in ledger.read_text().splitlines()]
    found = {failure["cause"] for note in notes for failure in note.get("failures", ())}
    assert found, "no trial was hit"
    return found


def test_the_default_study_runs_on_all_nodes_whatever_is_killed_on_the_way(cluster):
    """Kills the driver, then MLflow's server; then cuts the link of a worker for a minute."""
    with submitting(cluster) as results:
        kill(cluster.head.pids("tune.py"))
    assert results[0].returncode != 0
    wait_until(lambda: not any(map(training, cluster.hosts.values())), 120, "its trials to end")
    # A study under tmux needs no connection: the command returns at once.
    cluster.shell(f"ray submit --tmux {cluster.config} tune.py", 120)
    wait_for_use(cluster)
    kill(cluster.head.pids("mlflow", "server"))
    cut_off(cluster, "worker-2", 60)
    folder = cluster.base / "shared/studies/quickstart"
    page, ledger = folder / "report/report.html", folder / "ledger.jsonl"
    wait_until(page.exists, 300, "the study to end", lambda: ledger.stat().st_size)
    wait_until(lambda: not cluster.head.pids("home/tune.py"), 120, "its driver to end")
    told = cluster.shell(
        f"ray exec {cluster.config} 'lkm-tune status quickstart --json'", 120
    ).stdout
    (status,) = json.loads(told[told.index("[\n") : told.rindex("]") + 1])
    assert status["finished"] and status["trials"]["planned"] == status["trials"]["ended"]
    # The looks decide the number of trials; four cells have at least three seeds each.
    assert status["trials"]["ended"] >= 4 * (6 + 6 * 3)
    check_complete(cluster, "quickstart", trials=status["trials"]["ended"], epochs=15)
    assert causes(cluster, "quickstart") <= {"node", "killed"}
    assert not (folder / "left_out.json").exists(), "no node is to blame"
    wait_for_nodes(cluster)
    ended = submit(cluster)
    summary = json.loads(page.with_name("transfer.json").read_text())["summary"]
    lines = summary["by_margin"][f"{summary['margin']:g}"]["lines"]
    # A terminal without a size has 80 columns.
    for line in cell_lines(lines, width=80):
        assert line in ended.stdout


def kill(pids):
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def cut_off(machines, name, seconds):
    link = machines.hosts[name].link
    outside(machines.switch, f"ip link set {link} down")
    time.sleep(seconds)
    outside(machines.switch, f"ip link set {link} up")


def test_options_reach_the_script(cluster):
    done = submit(cluster, "quickstart --set search.trials=-1 --set curve.seeds=[1,2]", check=False)
    assert done.returncode != 0
    assert "search.trials" in done.stdout + done.stderr


def test_a_worker_is_killed_where_files_of_trials_lie_in_an_object_store(cluster):
    assert stored(cluster) == []
    with submitted(cluster, "worker-killed", "--checkpoints s3://bucket/files"):
        cluster.hosts["worker-1"].kill()
        cluster.hosts["worker-1"].boot(cluster.switch)
    check_complete(cluster, "worker-killed")
    assert causes(cluster, "worker-killed") <= {"node", "killed"}
    kept = stored(cluster)
    assert kept
    assert all(re.fullmatch(r"files/worker-killed/.*/model.safetensors", key) for key in kept)
    wait_for_nodes(cluster)


def test_an_update_of_the_code_ends_no_running_study(cluster):
    """`ray up --no-restart` from another checkout, while trials run on all nodes."""
    changed = cluster.laptop / "changed"
    shutil.copytree(CHECKOUT / "lkm_tune", changed, ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "package.py").open("a") as text:
        text.write("# changed\n")
    config = cluster.laptop / "changed.yaml"
    mount = "~/lkm-tune/lkm_tune: lkm_tune\n"
    assert cluster.config.read_text().count(mount) == 1
    config.write_text(
        cluster.config.read_text().replace(mount, f"~/lkm-tune/lkm_tune: {changed}\n")
    )
    with submitted(cluster, "updated"):
        cluster.shell(f"ray up --yes --no-restart {config}", 600)
    # The launcher updates the head alone. The next study takes its package along to the workers.
    changes = [(host.home / "lkm-tune/lkm_tune/package.py").read_text().count("# changed")
               for host in cluster.hosts.values()]  # fmt: skip
    assert changes == [1, 0, 0]
    check_complete(cluster, "updated")
    submit(cluster, "updated.yaml --set search.trials=8")
    check_complete(cluster, "updated", trials=TRIALS + 2)
    assert len(list(cluster.base.glob("shared/packages/*"))) == 2
    ledger = cluster.base / "shared/studies/updated/ledger.jsonl"
    assert '"failures"' not in ledger.read_text()


def test_a_worker_starts_its_ray_again_without_the_launcher_and_leaves_a_stopped_ray_alone(cluster):
    """As if the launcher had given the worker up: it does so after 15 minutes."""
    first, second = cluster.hosts["worker-1"], cluster.hosts["worker-2"]
    kill(cluster.head.pids("monitor.py"))
    kill(first.pids("raylet"))
    cluster.ssh(second, "ray stop")
    wait_until(lambda: first.pids("raylet"), 120, "Ray on the worker")
    time.sleep(20)
    assert not second.pids("raylet")
    cluster.ssh(second, f"bash ~/lkm-tune/cluster/worker.sh start {cluster.head.address}:6379", 180)
    wait_for_nodes(cluster)


def test_the_head_is_killed_and_brought_up_again(cluster):
    with submitted(cluster, "head-killed", check=False) as results:
        cluster.head.kill()
    assert results[0].returncode != 0
    cluster.head.boot(cluster.switch)
    up(cluster)
    submit(cluster, "head-killed.yaml")
    check_complete(cluster, "head-killed")


def test_a_script_of_another_version_is_refused(cluster):
    submitted_script = cluster.laptop / "tune.py"
    text = (CHECKOUT / "tune.py").read_text()
    submitted_script.write_text(text.replace('VERSION = "', 'VERSION = "9.'))
    done = cluster.shell(f"ray submit {cluster.config} {submitted_script}", 120, check=False)
    assert done.returncode != 0
    assert "ray up cluster/config.yaml" in done.stdout + done.stderr


def test_a_folder_that_is_not_shared_is_refused_at_start(cluster):
    done = submit(cluster, "quickstart --storage '~/mine'", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    for name in ("worker-1", "worker-2"):
        assert f"{cluster.hosts[name].address}: does not see" in said
