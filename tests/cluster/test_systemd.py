"""The unit of a worker under a real systemd, which manages one user in separate namespaces."""

import os
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from .hosts import CHECKOUT, in_namespaces, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SYSTEMD = Path("/lib/systemd/systemd")
UNIT = "lkm-tune-worker.service"

# The manager sees its own cgroups and nothing of the machine's.
BOX = """
set -e
mount --make-rprivate / && mount -t cgroup2 none {folder}/cgroup
echo $$ > {folder}/cgroup/{name}/cgroup.procs
exec unshare --cgroup --mount bash -ec '
mount -t tmpfs run /run && mkdir -p /run/user/0 /run/systemd/system
mount -t tmpfs cgroup /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
export HOME={folder} XDG_RUNTIME_DIR=/run/user/0 PATH=/usr/sbin:/usr/bin:/bin
cd {folder}
{steps}
'
"""
TIDY = """
mount -t cgroup2 none {folder}/cgroup
find {folder}/cgroup/{name} -depth -type d -exec rmdir {{}} ';'
"""
STEPS = """
python3 head.py &
{systemd} --user &
manager=$!
until systemctl --user is-active default.target; do sleep 0.1; done
bash lkm-tune/cluster/worker.sh start 127.0.0.1:{port}; echo $? > started
begun() {{ grep -c "ray start" calls || true; }}
until [ "$(begun)" = 1 ]; do sleep 0.1; done
kill -KILL $(cat ray.pid)
until [ "$(begun)" = 2 ]; do sleep 0.1; done
systemctl --user is-active {unit} > after-ray
kill -KILL $(systemctl --user show -p MainPID --value {unit})
until [ "$(begun)" = 3 ]; do sleep 0.1; done
# The machine starts again.
kill -TERM $manager; wait $manager || true
kill -KILL $(cat ray.pid) 2>/dev/null || true
{systemd} --user &
until [ "$(begun)" = 4 ]; do sleep 0.1; done
bash lkm-tune/cluster/worker.sh stop
(systemctl --user is-active {unit}; systemctl --user is-enabled {unit}) > stopped || true
sleep 7; begun > ended.part; mv ended.part ended
sleep infinity
"""
HEAD = """
import socket
with socket.create_server(("127.0.0.1", {port})) as server:
    while True:
        server.accept()[0].close()
"""
RAY = """#!/bin/bash
echo "ray $*" >> {folder}/calls
[ "$1" = start ] || exit 0
echo "Ray runtime started."
echo $$ > {folder}/ray.pid
exec sleep 300
"""


def alone(command):
    """Runs a command with mounts of its own; returns what it says if it fails."""
    script = ["unshare", "--mount", "bash", "-ec", f"mount --make-rprivate /\n{command}"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=20)
    return done.stderr if done.returncode else ""


def test_a_unit_keeps_ray_up_over_kills_and_a_restart_of_the_machine(tmp_path):
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("namespaces need root on Linux")
    if not SYSTEMD.exists():
        pytest.skip(f"there is no {SYSTEMD}")
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    shutil.copytree(CHECKOUT / "cluster", tmp_path / "lkm-tune/cluster")
    (tmp_path / "cgroup").mkdir()
    programs = tmp_path / "lkm-tune/.venv/bin"
    programs.mkdir(parents=True)
    (tmp_path / "head.py").write_text(HEAD.format(port=port))
    for name, body in {"ray": RAY.format(folder=tmp_path), "loginctl": "#!/bin/bash\n"}.items():
        (programs / name).write_text(body)
        (programs / name).chmod(0o755)
    named = {"folder": tmp_path, "name": f"lkm-test-{uuid.uuid4().hex[:8]}"}
    refused = alone(
        f"mount -t cgroup2 none {tmp_path}/cgroup && mkdir {tmp_path}/cgroup/{named['name']}"
    )
    if refused:
        pytest.skip(f"needs cgroups of version 2: {refused}")
    steps = STEPS.format(systemd=SYSTEMD, port=port, unit=UNIT)
    log = tmp_path / "console.log"
    process = in_namespaces(BOX.format(steps=steps, **named), log)
    try:
        wait_until(
            (tmp_path / "ended").exists, 60, "the unit", lambda: sorted(os.listdir(tmp_path))
        )
    except TimeoutError:
        pytest.fail(log.read_text())
    finally:
        process.kill()
        process.wait(20)
        refused = alone(TIDY.format(**named))
    assert not refused
    assert (tmp_path / "started").read_text() == "0\n"
    assert (tmp_path / "after-ray").read_text() == "active\n"
    assert (tmp_path / "stopped").read_text().split() == ["inactive", "disabled"]
    assert (tmp_path / "ended").read_text() == "4\n", "what is stopped does not start again"
