"""The cluster that all of its tests share."""

import os
import secrets
import shutil
import subprocess
import sys

import pytest

from .hosts import NETWORK, lab
from .launch import filled_in, up

NEEDED = ("sshd", "ssh", "rsync", "ip", "unshare", "nsenter", "setpriv", "curl", "tmux")


@pytest.fixture(scope="session")
def cluster():
    """A head, two workers, a laptop with an S3 on it; `ray up` has been called."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("network namespaces with an sshd each need root on Linux")
    probe = ["unshare", "--net", "--mount", "--pid", "--fork", "true"]
    if refused := subprocess.run(probe, capture_output=True, text=True).stderr:
        pytest.skip(f"needs network namespaces: {refused}")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in NEEDED if not shutil.which(name, path=path)]:
        pytest.fail(f"install {', '.join(missing)}")
    with lab(["head", "worker-1", "worker-2"]) as machines:
        machines.config = machines.laptop / "config.yaml"
        machines.config.write_text(filled_in(machines))
        machines.shell("ray get-auth-token --generate", 120)
        machines.head = machines.hosts["head"]
        machines.secrets = {
            "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(32),
            "AWS_ENDPOINT_URL": f"http://{NETWORK}.1:9000", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        machines.serve(f"python -W ignore -m moto.server -H {NETWORK}.1 -p 9000")
        up(machines)
        yield machines
        machines.shell(f"ray down --yes {machines.config}", 300)
        assert not [host.name for host in machines.hosts.values() if host.pids("raylet")]
