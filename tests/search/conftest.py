"""Fixtures for tests of the search."""

import os
import subprocess
import sys
import tempfile

import pytest


@pytest.fixture(scope="session")
def run_on_ray():
    """Runs a program that starts Ray; returns its output."""

    def run(program, *arguments, **changes):
        quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", **changes}
        quiet = {name: value for name, value in quiet.items() if value is not None}
        # The paths of Ray's sockets may have 107 characters.
        with tempfile.TemporaryDirectory(prefix="ray-") as short:
            done = subprocess.run(
                [sys.executable, "-c", program, *arguments],
                env=os.environ | quiet | {"RAY_TMPDIR": short},
                capture_output=True, text=True, timeout=200,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
