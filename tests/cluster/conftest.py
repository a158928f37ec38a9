"""The common cluster of its tests."""

import os
import secrets
import shutil
import subprocess
import sys

import pytest

from .hosts import NETWORK, lab, wait_until
from .launch import filled_in, up

NEEDED = ("sshd", "ssh", "rsync", "ip", "unshare", "nsenter", "setpriv", "curl", "tmux")

PROBE = """
mount --make-rprivate / && mount -t tmpfs run /run
ip link add bridge type bridge && ip link set bridge up
ip link add one type veth peer name two && ip link set one master bridge up
"""


LAB = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Keeps the logs of the cluster when a test fails, and shows the end of its launcher's log."""
    report = yield
    machines = item.config.stash.get(LAB, None)
    if report.failed and machines and "cluster" in item.fixturenames:
        kept = machines.keep_logs()
        said = [path.read_text()[-3000:] for path in kept.glob("head/ray/session_*/logs/monitor.*")]
        report.sections.append((f"the launcher; all logs are in {kept}", "\n".join(said)))
    return report


@pytest.fixture(scope="session")
def cluster(request):
    """A head, two workers, and a laptop with an S3 server, after `ray up`."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("network namespaces with an sshd each need root on Linux")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in NEEDED if not shutil.which(name, path=path)]:
        pytest.fail(f"install {', '.join(missing)}")
    # The probe runs in namespaces and leaves nothing behind; a container may refuse it.
    probe = [*("unshare", "--net", "--mount", "--pid", "--fork", "bash", "-ec"), PROBE]
    refused = subprocess.run(probe, capture_output=True, text=True)
    if refused.returncode:
        pytest.skip(f"needs network namespaces, a bridge and mounts: {refused.stderr}")
    with lab(["head", "worker-1", "worker-2"]) as machines:
        request.config.stash[LAB] = machines
        machines.config = machines.laptop / "config.yaml"
        machines.config.write_text(filled_in(machines))
        machines.shell("umask 077; ray get-auth-token --generate", 120)
        machines.head = machines.hosts["head"]
        machines.secrets = {
            "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(32),
            "AWS_ENDPOINT_URL": f"http://{NETWORK}.1:9000", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        machines.serve(f"python -W ignore -m moto.server -H {NETWORK}.1 -p 9000")
        up(machines)
        yield machines
        machines.shell(f"ray down --yes {machines.config}", 300)
        # `ray down` stops the head; workers end a minute after they have lost the head.
        assert not machines.head.pids("raylet")
        rest = machines.hosts.values()
        wait_until(lambda: not any(host.pids("raylet") for host in rest), 180, "Ray to end")
