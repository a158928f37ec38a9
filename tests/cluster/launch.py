"""`ray up` and `ray submit` from the laptop to the hosts."""

import re

from .hosts import CHECKOUT, temporary, wait_until


def filled_in(machines):
    """`cluster/config.yaml` with its lines filled in and no other change."""
    text = (CHECKOUT / "cluster/config.yaml").read_text()
    addresses = [host.address for host in machines.hosts.values()]
    for example, value in {
        "head_ip: 192.0.2.10": f"head_ip: {addresses[0]}",
        "[192.0.2.11, 192.0.2.12]": f"[{', '.join(addresses[1:])}]",
        "ssh_user: lkm": "ssh_user: root",
        "ssh_private_key: ~/.ssh/lkm_tune_ed25519": f"ssh_private_key: {machines.base / 'key'}",
    }.items():
        assert text.count(example) == 1, example
        text = text.replace(example, value)
    return text


def up(machines):
    choices = (CHECKOUT / "cluster/node.env").read_text()
    # The hosts do not share their home folders, so the head gets a shared folder.
    storage = f"LKM_TUNE_STORAGE={machines.base / 'shared'}"
    choices = choices.replace("LKM_TUNE_STORAGE=", storage)
    # Ray's workers have a low priority by default; the tests would wait for other programs.
    choices += "RAY_worker_niceness=0\n"
    choices += "".join(f"{name}={value}\n" for name, value in machines.secrets.items())
    for host in machines.hosts.values():
        own = "".join(f"{name}={value}\n" for name, value in temporary(host.folder).items())
        (host.home / ".lkm-tune.env").write_text(choices + own)
    machines.shell(f"ray up --yes {machines.config}", 600)
    wait_for_nodes(machines)


def wait_for_nodes(machines):
    """Waits until Ray has all hosts, as long as processes come and go on the workers."""
    hosts = machines.hosts.values()

    def complete():
        # Asking Ray takes seconds.
        return all(host.pids("raylet") for host in hosts) and nodes_of(machines) == len(hosts)

    wait_until(
        complete, 180, "all nodes", lambda: [host.pids() for host in hosts if host.name != "head"]
    )


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
