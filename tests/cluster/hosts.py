"""Machines for the cluster tests: processes with their own network, process table and home.

A host is one process in separate Linux namespaces, with an ssh server; killing that process ends
everything on the host. Hosts have no names outside: after the end of their processes, only one
temporary folder is left.
"""

import getpass
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
NETWORK = "10.77.0"
# The folder of Ray's files and ssh sockets; hosts do not see files of other hosts.
USER = hashlib.sha256(getpass.getuser().encode()).hexdigest()
PLACES = {"ray": Path("/tmp/ray"), "ssh": Path(f"/tmp/ray_ssh_{USER[:10]}")}

SSHD = """
ListenAddress {address}
HostKey {base}/host_key
AuthorizedKeysFile {base}/key.pub
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""

# A host first makes mounts that no other process sees, then runs the ssh server.
INIT = """
set -e
mount --make-rprivate /
mount -t tmpfs run /run && mkdir /run/sshd
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/home {base}/home
{places}
hostname {name}
ip link set lo up
until ip address show dev eth0 2>/dev/null | grep -q inet; do sleep 0.05; done
/usr/sbin/sshd -D -f {folder}/sshd_config &
touch {folder}/ready
wait
"""


class Host:
    """One machine, at `address`, with the home `home` (as other processes see it)."""

    def __init__(self, base, name, number):
        self.base, self.name = base, name
        self.address = f"{NETWORK}.{number}"
        self.link = f"lkm{number}"
        self.folder = base / name
        self.home = self.folder / "home"
        self.process = None

    def boot(self, switch):
        """Starts the host; the network of the process `switch` has the bridge."""
        for folder in (self.home, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "ready").unlink(missing_ok=True)
        text = Path("/etc/passwd").read_text().splitlines()
        root = f"root:x:0:0:root:{self.base}/home:/bin/bash"
        lines = [root if line.startswith("root:") else line for line in text]
        (self.folder / "passwd").write_text("\n".join(lines) + "\n")
        (self.folder / "sshd_config").write_text(SSHD.format(address=self.address, base=self.base))
        init = INIT.format(
            folder=self.folder, base=self.base, places=private(self.folder), name=self.name
        )
        self.process = in_namespaces(init, self.folder / "console.log")
        pid = inner(self.process)
        # The link of a host that was just killed may remain for a while.
        outside(switch, f"! ip link show {self.link} 2>/dev/null || ip link delete {self.link}")
        outside(switch, f"ip link add {self.link} type veth peer name eth0 netns {pid}")
        outside(switch, f"ip link set {self.link} master bridge up")
        outside(pid, f"ip address add {self.address}/24 dev eth0")
        outside(pid, f"ip link set eth0 up && ip route add default via {NETWORK}.1")
        wait_until(lambda: (self.folder / "ready").exists(), 20, f"{self.name} to boot")

    def kill(self):
        """Ends the host and all its processes at once, like a power cut."""
        os.kill(inner(self.process), signal.SIGKILL)
        self.process.wait(timeout=20)

    def pids(self, *words):
        """The outside ids of this host's processes whose command line has all of `words`."""
        mine = os.readlink(f"/proc/{inner(self.process)}/ns/pid")
        return [pid for pid, command in processes(mine) if all(word in command for word in words)]


class Lab:
    """A laptop and hosts on one bridge; the laptop's shell has the checkout and the key."""

    def __init__(self, base):
        self.base = base
        self.laptop = base / "laptop"
        self.hosts = {}
        self.servers = []
        self.switch = None

    def start(self, names):
        for folder in (self.laptop / "tmp", self.base / "home", self.base / "shared"):
            folder.mkdir(parents=True)
        for key in ("key", "host_key"):
            run(f"ssh-keygen -q -t ed25519 -N '' -f {self.base / key}")
        init = (
            f"mount --make-rprivate / && {private(self.laptop)} && "
            f"ip link set lo up && ip link add bridge type bridge && "
            f"ip address add {NETWORK}.1/24 dev bridge && ip link set bridge up && "
            f"touch {self.laptop}/ready && exec sleep infinity"
        )
        self.process = in_namespaces(init, self.laptop / "console.log")
        self.switch = inner(self.process)
        wait_until(lambda: (self.laptop / "ready").exists(), 20, "the laptop")
        make_environment(self.base / "venv", self.base / "home" / "lkm-tune")
        for number, name in enumerate(names, start=10):
            self.hosts[name] = host = Host(self.base, name, number)
            checkout = host.home / "lkm-tune"
            checkout.mkdir(parents=True)
            (checkout / ".venv").symlink_to(self.base / "venv")
            host.boot(self.switch)

    def stop(self):
        for host in self.hosts.values():
            if host.process.poll() is None:
                host.kill()
        if self.switch:
            os.kill(self.switch, signal.SIGKILL)
            for process in (self.process, *self.servers):
                process.wait(timeout=20)

    def environment(self, variables):
        return {
            "HOME": str(self.laptop), "PATH": f"{self.base}/venv/bin:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token", "LANG": "C.UTF-8", **temporary(self.laptop), **variables,
        }  # fmt: skip

    def serve(self, command, **variables):
        """Starts a command on the laptop that runs until the laptop ends."""
        with (self.laptop / "console.log").open("a") as log:
            self.servers.append(
                subprocess.Popen(
                    entering(self.switch, f"exec {command}"), env=self.environment(variables),
                    stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                )
            )  # fmt: skip

    def shell(self, command, timeout, check=True, **variables):
        """Runs a command on the laptop, in the checkout."""
        done = subprocess.run(
            entering(self.switch, f"cd {CHECKOUT} && {command}"), timeout=timeout,
            env=self.environment(variables), capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def ssh(self, host, command, timeout=60, check=True):
        """Runs a command on a host, in the shell that Ray's launcher uses there."""
        inside = shlex.quote(f"source ~/.bashrc; {command}")
        return self.shell(
            f"{self.ssh_to(host)} bash --login -c -i {shlex.quote(inside)}", timeout, check
        )

    def keep_logs(self):
        """Copies the logs of Ray, of its launcher and of the studies; returns their folder."""
        kept = Path(tempfile.mkdtemp(prefix="lkm-failed-lab-"))
        logs = ("*/console.log", "*/ray/session_*/logs", "*/home/.lkm-tune-worker.log",
                "shared/mlflow.log", "shared/studies/*/*.json*", "*.log")  # fmt: skip
        for found in (path for pattern in logs for path in self.base.glob(pattern)):
            place = kept / found.relative_to(self.base)
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if found.is_dir() else shutil.copy
            # Running processes rename and remove some of their logs.
            with suppress(OSError):
                copy(found, place)
        return kept

    def ssh_to(self, host):
        """The first words of a command that opens ssh to a host."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        return f"ssh {options} -i {self.base}/key root@{host.address}"


@contextmanager
def lab(names):
    """A context with a laptop and hosts of these names; nothing of them is left afterwards.

    If their start fails, their logs are left.
    """
    made = [place for place in PLACES.values() if not place.exists()]
    for place in made:
        place.mkdir(mode=0o700)
    # Short, because paths of sockets begin with it.
    base = Path(tempfile.mkdtemp(prefix="lkm-lab-"))
    machines = Lab(base)
    try:
        machines.start(names)
        yield machines
    except BaseException:
        sys.stderr.write(f"the logs of the machines are in {machines.keep_logs()}\n")
        raise
    finally:
        machines.stop()
        wait_until(lambda: not commands_with(str(base)), 20, f"all processes of {base} to end")
        shutil.rmtree(base)
        for place in made:
            # Another program of this machine may use the place since then.
            with suppress(OSError):
                place.rmdir()


def private(folder):
    """Commands that mount a host's folders at well-known places."""
    for name in PLACES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return " && ".join(f"mount --bind {folder}/{name} {place}" for name, place in PLACES.items())


def temporary(folder):
    """Variables that keep the temporary files of a host in its own folder."""
    return {"TMPDIR": f"{folder}/tmp", "RAY_TMPDIR": "/tmp"}


def make_environment(folder, checkout):
    """A virtual environment as from `make setup` on a node, with the present packages."""
    run(f"{sys.executable} -m venv --without-pip {folder}")
    packages = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "node.pth").write_text(f"{checkout}\n{packages}\n")
    for name in ("ray", "mlflow", "lkm-tune"):
        script = Path(sys.executable).with_name(name).read_text().splitlines()
        copy = folder / "bin" / name
        copy.write_text("\n".join([f"#!{folder}/bin/python", *script[1:]]) + "\n")
        copy.chmod(0o755)
    # The choice of `node.sh` without a GPU.
    choice = f"{makefile_torch()} --extra-index-url https://download.pytorch.org/whl/cpu"
    (folder / ".ready").write_text(choice)


def makefile_torch():
    """The build of torch that the Makefile names."""
    return re.search(r"^TESTED_TORCH := (.*)$", (CHECKOUT / "Makefile").read_text(), re.M).group(1)


def in_namespaces(script, log):
    # The process ends with the tests in every case.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--uts",
               "--fork", "--mount-proc", "--kill-child", "bash", "-c", script]  # fmt: skip
    with log.open("a") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)


def inner(process):
    """The first process in the namespaces that `process` made."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: children.read_text().split(), 20, "the first process of a host")
    return int(children.read_text().split()[0])


def entering(pid, command):
    namespaces = ["--net", "--mount", "--pid", "--uts"]
    return ["nsenter", "--target", str(pid), *namespaces, "bash", "-c", command]


def outside(pid, command):
    subprocess.run(["nsenter", "--target", str(pid), "--net", "bash", "-c", command], check=True)


def processes(namespace):
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(folder / "ns/pid") == namespace:
                yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")


def commands_with(text):
    """The command lines of other processes that have `text`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((folder / "cmdline").read_text())
    return [command for command in found if text in command]


def run(command):
    subprocess.run(command, shell=True, check=True)


def wait_until(condition, seconds, what, progress=lambda: None):
    """Waits for a condition, for `seconds` at most since the last change of `progress()`."""
    end, before = time.monotonic() + seconds, progress()
    while not condition():
        if before != (now := progress()):
            end, before = time.monotonic() + seconds, now
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}, and nothing happened")
        time.sleep(0.1)
