"""The digest of the package, and the script that carries it to a cluster."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lkm_tune.package import package_digest, stamp

SCRIPT = Path(__file__).parents[1] / "tune.py"


def test_the_script_carries_the_digest_of_this_package():
    assert f'PACKAGE = "{package_digest()}"' in SCRIPT.read_text(), "run `make tune.py`"


def test_a_stamp_replaces_one_line_and_no_other(tmp_path):
    script = tmp_path / "tune.py"
    script.write_text('before\nPACKAGE = "old"\nafter\n')
    stamp(script)
    assert script.read_text() == f'before\nPACKAGE = "{package_digest()}"\nafter\n'


def test_a_script_without_the_line(tmp_path):
    script = tmp_path / "tune.py"
    script.write_text("nothing\n")
    with pytest.raises(ValueError, match="must have one line"):
        stamp(script)


def test_a_script_that_was_sent_with_another_package_is_refused(tmp_path):
    # As `ray submit` leaves them: the script in the home folder, the checkout in one of its own.
    package = SCRIPT.with_name("lkm_tune")
    shutil.copytree(package, tmp_path / "checkout/lkm_tune", ignore=shutil.ignore_patterns("*.pyc"))
    script = tmp_path / "tune.py"
    script.write_text(SCRIPT.read_text().replace(package_digest(), "0" * 16))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "checkout")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "make tune.py && ray up cluster/config.yaml" in done.stderr
    assert not (tmp_path / "lkm-runs").exists()
