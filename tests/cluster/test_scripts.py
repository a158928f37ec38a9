"""The shell scripts of a cluster, with stand-ins for the called programs."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow_databases import open_databases

from .hosts import CHECKOUT, makefile_torch, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes are Linux machines")

CPU_BUILD = f"{makefile_torch()} --extra-index-url https://download.pytorch.org/whl/cpu"


class Machine:
    """A home folder with the checkout's scripts, and programs that record their calls."""

    def __init__(self, home):
        self.home, self.log = home, home / "calls"
        self.checkout, self.programs = home / "lkm-tune", home / "programs"
        self.programs.mkdir()
        shutil.copytree(CHECKOUT / "cluster", self.checkout / "cluster")
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(CHECKOUT / name, self.checkout)
        self.log.touch()

    def program(self, name, body="", folder=None):
        """A program that records its name and arguments, then runs `body`."""
        path = (folder or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(0o755)

    def run(self, command, check=True, **variables):
        kept = {"HOME": str(self.home), "PATH": f"{self.programs}:/usr/bin:/bin", **variables}
        return subprocess.run(
            command, shell=True, env=kept, cwd=self.checkout, check=check, text=True,
            capture_output=True,
        )  # fmt: skip

    def calls(self):
        """The calls since the last query."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return lines


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("gpu", "seen", "chosen", "expected"),
    [
        (False, False, "", CPU_BUILD),
        (True, True, "", ""),  # pip's choice, the CUDA build
        (True, True, "torch==2.13.0 --index-url x", "torch==2.13.0 --index-url x"),
        (False, False, "torch==2.13.0", "torch==2.13.0"),
    ],
)
def test_a_node_gets_the_torch_of_its_hardware(machine, gpu, seen, chosen, expected):
    node(machine, gpu, seen, chosen)
    machine.run("bash cluster/node.sh")
    made = [call for call in machine.calls() if call.startswith("make")]
    assert made == ["make setup PYTHON=python3.11" + (f" TORCH={expected}" if expected else "")]
    machine.run("bash cluster/node.sh")
    lines = (machine.home / ".bashrc").read_text().splitlines()
    assert lines == [f". {machine.checkout}/cluster/shell.sh"]
    assert (machine.home / ".lkm-tune.env").stat().st_mode & 0o777 == 0o600


def test_a_gpu_that_torch_does_not_see_is_told_at_ray_up(machine):
    node(machine, gpu=True, seen=False, chosen="")
    done = machine.run("bash cluster/node.sh", check=False)
    assert done.returncode == 1
    assert "TORCH in ~/.lkm-tune.env" in done.stderr


@pytest.mark.parametrize(
    ("gpu", "wanted", "starts"), [(True, "1", 1), (True, "", 0), (False, "1", 0)]
)
def test_mps_is_started_once_and_only_where_it_is_wanted(machine, gpu, wanted, starts):
    node(machine, gpu=gpu, seen=True, chosen="")
    (machine.home / ".lkm-tune.env").write_text(f"LKM_TUNE_MPS={wanted}\n")
    running = machine.home / "running"
    machine.program(
        "nvidia-cuda-mps-control",
        f'if [ "$1" = -d ]; then touch {running}; else cat > /dev/null; fi; [ -e {running} ]',
    )
    machine.run("bash cluster/node.sh; bash cluster/node.sh")
    assert machine.calls().count("nvidia-cuda-mps-control -d") == starts


def node(machine, gpu, seen, chosen):
    for name in ("make", "python3.11", "rsync"):
        machine.program(name)
    machine.program("nvidia-smi", "echo 'GPU 0: H100 (UUID: GPU-1)'" if gpu else "exit 9")
    machine.program("python", "" if seen else "exit 1", machine.checkout / ".venv/bin")
    if chosen:
        file = machine.home / ".lkm-tune.env"
        file.write_text(f"TORCH='{chosen}'\n")
        file.chmod(0o600)


def test_another_build_of_torch_takes_the_place_of_the_one_there(machine):
    # `python -m venv FOLDER` makes an environment whose python is this stand-in.
    machine.program("python", 'if [ "$2" = venv ]; then mkdir -p $3/bin; cp $0 $3/bin; fi')
    other = f"{makefile_torch()} --index-url https://host/cu126"

    def setup(torch=""):
        machine.run(f"make setup PYTHON=python {torch and f'TORCH={torch!r}'}")
        return [call.partition(" -m pip ")[2] for call in machine.calls() if " -m pip " in call]

    assert any(makefile_torch() in call for call in setup())
    assert setup() == []
    called = setup(other)
    assert called[0].startswith("uninstall") and called[1].endswith(other)
    assert setup() == setup(other) == []
    assert setup(makefile_torch())[0].startswith("uninstall")
    assert setup() == []


@pytest.mark.parametrize("artifacts", ["", "s3://bucket/artifacts"])
def test_mlflow_is_started_again_and_its_database_is_no_argument(machine, artifacts):
    database = "postgresql://lab:hidden@host/runs"
    (machine.home / ".lkm-tune.env").write_text(
        f"LKM_TUNE_MLFLOW_DATABASE={database}\nLKM_TUNE_MLFLOW_ARTIFACTS={artifacts}\n"
    )
    machine.program("mlflow", f'echo "$MLFLOW_BACKEND_STORE_URI" >> {machine.home}/databases')
    machine.run("bash cluster/mlflow.sh start; bash cluster/mlflow.sh start")
    keeper = int((machine.home / ".lkm-tune-mlflow.pid").read_text())
    try:
        wait_until(lambda: machine.log.read_text().count("mlflow server") >= 2, 20, "a restart")
    finally:
        machine.run("bash cluster/mlflow.sh stop")
    calls = machine.calls()
    assert all("--host 127.0.0.1" in call and "hidden" not in call for call in calls)
    place = artifacts or f"{machine.home}/lkm-runs/artifacts"
    assert all(call.endswith(f"--artifacts-destination {place}") for call in calls)
    assert set((machine.home / "databases").read_text().split()) == {database}
    assert "hidden" not in (machine.home / "lkm-runs/mlflow.log").read_text()
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in (
        (machine.home / ".lkm-tune-head.env").read_text().splitlines()
    )
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.kill(keeper, 0)
            time.sleep(0.1)


@pytest.mark.slow
def test_mlflow_on_postgresql_is_back_after_a_kill(machine, tmp_path_factory):
    (machine.checkout / ".venv").symlink_to(Path(sys.prefix))
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    with open_databases("postgres", tmp_path_factory.mktemp("databases")) as databases:
        (machine.home / ".lkm-tune.env").write_text(
            f"LKM_TUNE_MLFLOW_DATABASE={databases.empty()}\nLKM_TUNE_MLFLOW_PORT={port}\n"
        )
        machine.run("bash cluster/mlflow.sh start")
        client = MlflowClient(f"http://127.0.0.1:{port}")
        keeper = int((machine.home / ".lkm-tune-mlflow.pid").read_text())
        try:
            wait_until(lambda: answers(port), 120, "the server")
            client.create_experiment("kept")
            for process in psutil.Process(keeper).children(recursive=True):
                process.kill()
            wait_until(lambda: not answers(port), 20, "its end")
            wait_until(lambda: answers(port), 120, "the server to be back")
            assert client.get_experiment_by_name("kept")
        finally:
            machine.run("bash cluster/mlflow.sh stop")
    assert not (machine.home / "lkm-runs/mlflow.db").exists()


def answers(port):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


# Ray answers, starts and breaks at once; the second time it stays.
RAY = """
if [ "$1" = start ]; then
    echo "Ray runtime started."
    [ $(grep -c "ray start" $HOME/calls) -lt 2 ] || exec sleep 300
fi
"""


@pytest.fixture
def head():
    """HEAD:PORT of a head that answers."""
    with socket.create_server(("127.0.0.1", 0)) as answering:
        yield f"127.0.0.1:{answering.getsockname()[1]}"


def test_a_worker_whose_ray_breaks_starts_it_again_and_leaves_a_stopped_ray_alone(machine, head):
    machine.program("systemctl", "exit 1")
    machine.program("ray", RAY)
    started = f"ray start --address={head} --block"
    machine.run(f"bash cluster/worker.sh start {head}")
    try:
        keeper = int((machine.home / ".lkm-tune-worker.pid").read_text())
        wait_until(lambda: machine.log.read_text().count(started) == 2, 20, "another start")
        assert machine.log.read_text().index("ray stop") < machine.log.read_text().index(started)
        # `ray stop` lets the command with --block run on.
        time.sleep(7)
        assert machine.log.read_text().count(started) == 2
        # Another start takes the place of the first.
        machine.run(f"bash cluster/worker.sh start {head}")
        wait_until(lambda: not psutil.pid_exists(keeper), 20, "the end of the first loop")
        keeper = int((machine.home / ".lkm-tune-worker.pid").read_text())
    finally:
        machine.run("bash cluster/worker.sh stop")
    wait_until(lambda: not psutil.pid_exists(keeper), 20, "the end of the loop")


def test_a_worker_without_a_head_waits_and_joins_when_it_answers(machine):
    machine.program("systemctl", "exit 1")
    machine.program("ray", RAY)
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        place = any_port.getsockname()
    waiting = subprocess.Popen(
        ["bash", "cluster/worker.sh", "keep-up", f"127.0.0.1:{place[1]}"], cwd=machine.checkout,
        env={"HOME": str(machine.home), "PATH": f"{machine.programs}:/usr/bin:/bin"},
        start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(2)
        assert "ray start" not in machine.log.read_text()
        with socket.create_server(place):
            wait_until(lambda: "ray start" in machine.log.read_text(), 20, "a start")
    finally:
        os.killpg(waiting.pid, signal.SIGKILL)
        waiting.wait()


def test_a_worker_with_systemd_has_a_unit_that_starts_with_the_machine(machine, head):
    # The stand-in for systemd says that Ray has started.
    started = '[ "$2" != restart ] || echo "Ray runtime started." > $HOME/.lkm-tune-worker.log'
    machine.program("systemctl", started)
    machine.program("loginctl")
    machine.program("ray")
    machine.run(f"bash cluster/worker.sh start {head}")
    unit = machine.home / ".config/systemd/user/lkm-tune-worker.service"
    calls = machine.calls()
    name = unit.name
    assert calls.index(f"systemctl --user enable {name}") < calls.index(
        f"systemctl --user restart {name}"
    )
    assert "loginctl enable-linger" in calls
    text = unit.read_text()
    assert f'ExecStart=/bin/bash "{machine.checkout}/cluster/worker.sh" keep-up {head}' in text
    assert not (machine.home / ".lkm-tune-worker.pid").exists()
    if verify := shutil.which("systemd-analyze"):
        said = subprocess.run([verify, "verify", "--user", unit], capture_output=True, text=True)
        assert name not in said.stderr, said.stderr
    machine.run("bash cluster/worker.sh stop")
    assert f"systemctl --user disable --now {name}" in machine.calls()


SRUN = """
echo "token ${#RAY_AUTH_TOKEN} cores $SRUN_CPUS_PER_TASK" >> $HOME/calls
echo " 1 node_x" >> $HOME/joined
"""


def slurm_job(machine, number, **changed):
    machine.program("srun", SRUN)
    machine.program("ray", "cat $HOME/joined")
    machine.program("lkm-tune", 'echo "storage $LKM_TUNE_STORAGE" >> $HOME/calls')
    machine.program("scontrol", "printf 'a\\nb\\nc\\n'")
    machine.program("getent", "echo '127.0.1.1 STREAM a'; echo '192.0.2.1 STREAM a'")
    machine.program("python", 'exec /usr/bin/env -S python3 "$@"')
    job = {"SLURM_JOB_NODELIST": "[a-c]", "SLURM_JOB_ID": number, "SLURM_CPUS_PER_TASK": "32"}
    job |= {"SLURM_GPUS_ON_NODE": "4", "SLURM_SUBMIT_DIR": str(machine.checkout)}
    job |= {"SLURM_JOB_NAME": "mine"}
    machine.run("bash cluster/slurm.sh qm9 --set search.trials=20", **job, **changed)
    return machine.calls()


def test_slurm_starts_a_head_and_workers_with_one_token_and_then_the_study(machine):
    called = slurm_job(machine, "7")
    assert {call for call in called if call.startswith("token")} == {"token 64 cores 32"}
    steps = [call for call in called if call.startswith("srun")]
    (head,) = (call for call in steps if "ray start --head" in call)
    assert "--nodelist=a " in head and "--port=20021" in head and "--num-gpus=4" in head
    workers = [call for call in steps if "ray start --address=192.0.2.1:20021" in call]
    assert {call.partition("--nodelist=")[2][0] for call in workers} == {"b", "c"}
    assert "lkm-tune run qm9 --set search.trials=20 --address 192.0.2.1:20021" in called
    # The study begins when all nodes have joined.
    assert called.index("ray status --address 192.0.2.1:20021") < called.index(workers[0])
    assert called[-2].startswith("lkm-tune run")


@pytest.mark.parametrize(
    ("server", "folder"), [("", "lkm-runs/mine"), ("http://host:5000", "lkm-runs")]
)
def test_jobs_of_slurm_share_a_storage_only_with_a_server(machine, server, folder):
    called = slurm_job(machine, "7", MLFLOW_TRACKING_URI=server)
    assert f"storage {machine.checkout}/{folder}" in called


def test_neighbours_in_slurm_have_other_ports_and_folders(machine):
    def claims(number):
        calls = "\n".join(slurm_job(machine, number))
        return set(re.findall(r"--[a-z-]*port=(\d+)|--temp-dir=(\S+)", calls))

    first, second = claims("7"), claims("8")
    assert len(first) == len(second) == 4
    assert not first & second


def test_the_pages_are_started_again_on_loopback(machine):
    machine.program("lkm-tune")
    machine.run("bash cluster/serve.sh start; bash cluster/serve.sh start")
    try:
        wait_until(lambda: machine.log.read_text().count("lkm-tune serve") >= 2, 20, "a restart")
    finally:
        machine.run("bash cluster/serve.sh stop")
    place = f"{machine.home}/lkm-runs --port 8420 --address auto --jobs http://127.0.0.1:8265"
    assert set(machine.calls()) == {f"lkm-tune serve --storage {place}"}
    assert not (machine.home / ".lkm-tune-serve.pid").exists()
