"""Fixtures for tests of several rooms."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Path:
    """The folder of whole public datasets, if it exists."""
    folder = os.environ.get("LKM_TUNE_DATA")
    if not folder:
        pytest.skip("needs whole public datasets: LKM_TUNE_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def small_disk():
    """Runs a command with a separate disk of a given size at a folder; returns its output.

    The disk is in memory, in a separate namespace, so that no other process sees it.
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
