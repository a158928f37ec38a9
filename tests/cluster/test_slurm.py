"""`cluster/slurm.sh` under Debian's Slurm, with two virtual nodes in namespaces."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .hosts import CHECKOUT, entering, inner, lab, make_environment, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]

NEEDED = ("slurmctld", "slurmd", "sbatch", "munged", "sshd", "ip", "unshare", "nsenter")
CONF = """
ClusterName=lab
SlurmctldHost=node-1(10.77.0.10)
SlurmUser=root
SlurmdUser=root
# A job that was queued again waits until the credentials of its first run have expired.
AuthInfo=socket={base}/munge.socket,cred_expire=15
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool-%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
NodeName=node-1 NodeAddr=10.77.0.10 CPUs=4 RealMemory=16000
NodeName=node-2 NodeAddr=10.77.0.11 CPUs=4 RealMemory=16000
PartitionName=all Nodes=ALL Default=YES MaxTime=60
"""
STUDY = """
models: {pamnet: {hidden: 8}}
tasks: [qm9/alpha]
data: {source: sample, n_train: 100, n_val: 20, n_test: 20}
search: {trials: 8, startup_trials: 8, grace_period: 12, control: false}
curve: {gammas: [0, 0.1], seeds: [1, 2]}
training: {epochs: 12, batch_size: 16}
resources: {cpu: 1, gpu: 0}
"""


class Slurm:
    """A Slurm of two nodes that share a home folder with a checkout."""

    def __init__(self, machines):
        self.base, self.hosts, self.servers = machines.base, machines.hosts, machines.servers
        self.home = self.base / "shared"
        self.checkout = self.home / "checkout"
        for name in ("lkm_tune", "search_spaces", "cluster"):
            shutil.copytree(CHECKOUT / name, self.checkout / name)
        make_environment(self.checkout / ".venv", self.checkout)
        self.environment = {
            "HOME": str(self.home), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "LANG": "C.UTF-8", "SLURM_CONF": str(self.base / "slurm.conf"),
            # Ray's workers have a low priority by default; the test would wait for other programs.
            "RAY_worker_niceness": "0",
        }  # fmt: skip

    def start(self):
        names = [f"{host.address} {host.name}" for host in self.hosts.values()]
        (self.base / "hosts").write_text("127.0.0.1 localhost\n" + "\n".join(names) + "\n")
        (self.base / "slurm.conf").write_text(CONF.format(base=self.base))
        (self.base / "state").mkdir()
        key = self.base / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {name: self.base / f"munge.{name}" for name in ("pid", "log", "seed", "socket")}
        options = " ".join(f"--{name}-file={files[name]}" for name in ("pid", "log", "seed"))
        munged = (
            f"munged --foreground --force --key-file={key} --socket={files['socket']} {options}"
        )
        mount = f"mount --bind {self.base}/hosts /etc/hosts"
        for host in self.hosts.values():
            subprocess.run(entering(inner(host.process), mount), check=True)
        self.serve("node-1", munged)
        wait_until(files["socket"].exists, 60, "munge")
        for name in self.hosts:
            if name == "node-1":
                self.serve(name, "slurmctld -D")
            self.serve(name, f"slurmd -D -N {name}")
        wait_until(lambda: self.run("sinfo -h -t idle -o %D").strip() == "2", 60, "two nodes")

    def serve(self, name, command):
        with (self.base / f"{name}.log").open("a") as log:
            self.servers.append(
                subprocess.Popen(
                    entering(inner(self.hosts[name].process), f"exec {command}"),
                    env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                )
            )  # fmt: skip

    def run(self, command):
        return subprocess.run(
            entering(inner(self.hosts["node-1"].process), f"cd {self.checkout} && {command}"),
            env=self.environment, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip

    def submit(self, name, options):
        (self.home / f"{name}.yaml").write_text(f"name: {name}\n{STUDY}")
        command = f"sbatch --parsable --job-name={name} {options} cluster/slurm.sh ~/{name}.yaml"
        return self.run(command).strip()

    def job(self, number):
        """What Slurm says of a job."""
        return dict(re.findall(r"(\w+)=(\S*)", self.run(f"scontrol show job {number}")))

    def output(self, number):
        file = self.checkout / f"slurm-{number}.out"
        return file.read_text() if file.exists() else ""


@pytest.fixture(scope="module")
def slurm():
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("network namespaces need root on Linux")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in NEEDED if not shutil.which(name, path=path)]:
        pytest.fail(f"install {', '.join(missing)}")
    with lab(["node-1", "node-2"]) as machines:
        found = Slurm(machines)
        found.start()
        # The virtual nodes have no GPUs, which Slurm would wait for.
        script = found.checkout / "cluster/slurm.sh"
        text = script.read_text()
        assert text.count("#SBATCH --gpus-per-node=4\n") == 1
        script.write_text(text.replace("#SBATCH --gpus-per-node=4\n", ""))
        yield found
        for folder in Path("/tmp").glob("lkm-slurm-[0-9]*"):
            shutil.rmtree(folder)


def test_two_jobs_side_by_side_one_of_which_slurm_warns(slurm):
    small = "--cpus-per-task=1 --mem=6G --time=30"
    short, long = slurm.submit("short", small), slurm.submit("long", small)
    again = slurm.submit("long", small)

    def running():
        return [slurm.job(number)["JobState"] for number in (short, long, again)]

    wait_until(lambda: running() == ["RUNNING", "RUNNING", "PENDING"], 60, "two jobs")
    assert slurm.job(again)["Reason"] == "Dependency"
    # The signal that Slurm sends before the time limit, in the middle of the study.
    folder = slurm.checkout / "lkm-runs/short/studies/short"

    def trained():
        return list(folder.glob("trials/*/*/*/model.safetensors"))

    wait_until(trained, 300, "a trial", lambda: slurm.output(short))
    slurm.run(f"scancel --batch --signal=USR1 {short}")
    before = trained()
    for number in (short, long, again):
        wait_until(
            lambda n=number: ended(slurm, n), 300, f"job {number}",
            lambda: [slurm.output(one) for one in (short, long, again)],
        )  # fmt: skip
        job = slurm.job(number)
        assert job["JobState"] == "COMPLETED", slurm.output(number)
        assert int(job["Restarts"]) == (number == short), slurm.output(number)
        assert job["MinMemoryNode"] == "6G"
    assert len(before) < len(trained()) == 12, "the study ended before the signal"
    for number, name in ((short, "short"), (long, "long")):
        storage = slurm.checkout / "lkm-runs" / name
        assert (storage / "mlflow.db").exists()
        folder = storage / "studies" / name
        assert json.loads((folder / "report/transfer.json").read_text())
        # Both nodes took part: each has one core for the job, and a trial needs one.
        nodes = json.loads((folder / "use.json").read_text())["nodes"]
        assert set(nodes) == {host.address for host in slurm.hosts.values()}
        assert "trials, 2 running" in slurm.output(number)


def ended(slurm, number):
    return slurm.job(number)["JobState"] not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")
