"""Without the token nobody reads or submits, and no secret lies in a readable place."""

import shlex
import subprocess
from pathlib import Path

import pytest

from .hosts import inner, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_the_token_nobody_gets_in(cluster, token):
    home = cluster.laptop / "stranger"
    home.mkdir(exist_ok=True)
    script = Path(__file__).with_name("stranger.py")
    beyond = [place for host in cluster.hosts.values() for place in listening(host)]
    assert f"{cluster.head.address}:6379" in beyond
    arguments = shlex.join([token, cluster.head.address, *beyond])
    done = cluster.shell(
        f"timeout 300 python {script} {arguments}", 320, HOME=str(home), RAY_AUTH_TOKEN=token
    )
    assert done.stdout.splitlines()[-1] == f"asked {len(beyond)}"
    assert "let in" not in done.stdout, done.stdout
    # On the head, which ssh reaches, the dashboard's data and its Jobs API also need the token.
    for path in ("api/jobs/", "api/cluster_status", "nodes?view=summary"):
        header = f"-H 'Authorization: Bearer {token}'" if token else ""
        ask = f"curl -s -m 9 -o /dev/null -w '%{{http_code}}' {header} http://127.0.0.1:8265/{path}"
        assert cluster.ssh(cluster.head, ask).stdout.strip() in ("401", "403"), path


def listening(host):
    """The ADDRESS:PORT of every listener of a host beyond loopback, except ssh."""
    command = ["nsenter", "--target", str(inner(host.process)), "--net", "ss", "-Hltn"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {tuple(line.split()[3].rsplit(":", 1)) for line in lines}
    ports = {int(port) for address, port in found if "127.0.0.1" not in address}
    return [f"{host.address}:{port}" for port in sorted(ports - {22})]


def test_a_tunnel_and_the_token_lead_to_the_jobs_api(cluster):
    cluster.serve(f"ray dashboard {cluster.config}")
    address = "http://127.0.0.1:8265"
    reach = f"curl -s -m 5 {address}"
    wait_until(lambda: cluster.shell(reach, 20, check=False).returncode == 0, 120, "the tunnel")
    ask = f"ray job submit --address {address} -- lkm-tune models"
    assert "dimenet++" in cluster.shell(ask, 300).stdout
    refused = cluster.shell(ask, 300, check=False, RAY_AUTH_TOKEN="0" * 64)
    assert refused.returncode != 0
    assert "dimenet++" not in refused.stdout


def test_mlflow_is_reached_on_the_head_and_through_a_tunnel_alone(cluster):
    ask = "curl -s -m 9 -o /dev/null -w '%{http_code}' http://{}:5000/"
    assert cluster.ssh(cluster.head, ask.replace("{}", "127.0.0.1")).stdout.strip() == "200"
    for host in cluster.hosts.values():
        asked = cluster.ssh(host, ask.replace("{}", cluster.head.address), check=False)
        assert (asked.returncode, asked.stdout.strip()) == (7, "000")  # no process listens there
    cluster.serve(f"{cluster.ssh_to(cluster.head)} -N -L 5000:127.0.0.1:5000")
    tunnel = ask.replace("{}", "127.0.0.1")
    wait_until(lambda: cluster.shell(tunnel, 20, check=False).stdout == "200", 60, "the tunnel")


def test_no_secret_in_what_is_kept(cluster):
    token = (cluster.laptop / ".ray/auth_token").read_text().strip()
    places = [cluster.base / "shared", *(host.folder / "ray" for host in cluster.hosts.values())]
    for secret in (token, cluster.secrets["AWS_SECRET_ACCESS_KEY"]):
        found = subprocess.run(["grep", "-rl", secret, *places], capture_output=True, text=True)
        assert found.stdout == ""
