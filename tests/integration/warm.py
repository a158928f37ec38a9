"""`lkm-tune` in processes that need not import torch, MLflow, SciPy and matplotlib again.

These imports take a third of the processor time of a small study. One process imports them, and
forks for every command. A fork has a separate working folder, environment and output, imports the
package and Ray afresh, and starts a separate Ray. Run as a program, this file is the process that
forks.
"""

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread

COMMAND = Path(sys.executable).with_name("lkm-tune")
HEAVY = (
    *("pandas", "scipy.stats", "scipy.optimize", "scipy.interpolate", "torch", "optuna", "rich"),
    *("matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg"),
    *("mlflow", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "ase.io", "jinja2"),
)
# What the package sets before these imports.
BEFORE = {
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class WarmStart:
    """The process that forks."""

    def __init__(self, environment):
        self.door, other = socket.socketpair()
        with other:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                pass_fds=[other.fileno()], env=environment | BEFORE, stdin=subprocess.DEVNULL,
                # A pipe, as for the forks: Python looks at its start whether it can seek there.
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def start(self, arguments, cwd, environment):
        """Starts a command; its output and its errors go into one pipe."""
        output, out = os.pipe()
        life, teller = os.pipe()
        asked = json.dumps([arguments, str(cwd or Path.cwd()), environment])
        socket.send_fds(self.door, [asked.encode()], [out, teller])
        os.close(out)
        os.close(teller)
        return Forked(output, life)

    def close(self):
        self.door.close()
        self.process.wait(60)
        self.process.stdout.close()


class Forked:
    """A command, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, output, life):
        self.stdout, self.life, self.returncode = os.fdopen(output), os.fdopen(life), None
        began = self.life.readline()
        assert began, "the process that forks has ended"
        self.pid = int(began)

    def poll(self):
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self.life], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(COMMAND, timeout)
            self.returncode = int(self.life.readline())
            self.life.close()
        return self.returncode

    def communicate(self, timeout=None):
        """The rest of the output. The pipe ends with the last process that holds it."""
        text = []
        reader = Thread(target=lambda: text.append(self.stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            raise subprocess.TimeoutExpired(COMMAND, timeout)
        self.wait(timeout)
        return text[0], None

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def become_a_command(door):
    """Returns in every fork, ready for `main`; ends with the tests."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files, *_ = socket.recv_fds(door, 1 << 20, 2)
        if not asked:
            os._exit(0)
        if not os.fork():
            break
        for file in files:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    door.close()
    output, teller = files
    if child := os.fork():
        os.close(output)
        os.write(teller, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(teller, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(teller)
    for own in (1, 2):
        os.dup2(output, own)
    os.close(output)
    arguments, folder, environment = json.loads(asked)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.path[0] = [str(COMMAND), *arguments], str(COMMAND.parent)
    # A fork would draw the numbers that every other fork draws.
    sys.modules["numpy"].random.seed()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HEAVY:
            import_module(name)
    # Ray reads variables of its environment at its import, and the package has variables to set.
    assert not {"ray", "lkm_tune"} & sys.modules.keys()
    # A collection of garbage in a fork would copy every page.
    gc.freeze()
    become_a_command(socket.socket(fileno=int(sys.argv[1])))
    from lkm_tune.cli import main

    sys.exit(main())
