"""What tests of several rooms share."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Path:
    """The folder of whole public datasets, where it is there."""
    folder = os.environ.get("LKM_TUNE_DATA")
    if not folder:
        pytest.skip("needs whole public datasets: LKM_TUNE_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def small_disk():
    """Runs a command that sees a disk of its own, of a given size, at a folder; its output.

    The disk lies in memory, within a namespace of the command's own, so that nobody else sees it.
    """
    probe = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs user namespaces, to mount a small disk")

    def run(folder, size, command, before="true", code=0, **options):
        mount = shlex.join(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)])
        script = f"{mount} && {before} && {shlex.join(map(str, command))}"
        done = subprocess.run(
            [*probe[:-1], "sh", "-c", script],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    return run
