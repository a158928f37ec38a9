"""The digest of the package, its version, and the version in the script `tune.py`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lkm_tune import __version__
from lkm_tune.package import package_digest

SCRIPT = Path(__file__).parents[1] / "tune.py"


def test_the_script_belongs_to_this_version():
    assert f'VERSION = "{__version__}"' in SCRIPT.read_text()


def test_the_version_names_the_code():
    told = subprocess.run(
        [sys.executable, "-c", "from lkm_tune.cli import main; main(['--version'])"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.fullmatch(rf"lkm-tune {__version__}, code {package_digest()}\n", told)


@pytest.mark.parametrize("name", ["tune-.py", "tune-...py", "tune-a b.py"])
def test_a_script_with_a_name_that_is_no_folder_is_refused(tmp_path, name):
    script = tmp_path / name
    script.write_text(SCRIPT.read_text())
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "must be tune-NAME.py" in done.stderr
    assert not (tmp_path / "lkm-runs").exists()


def test_a_script_of_another_version_is_refused(tmp_path):
    script = tmp_path / "tune.py"
    script.write_text(SCRIPT.read_text().replace(__version__, "0.0.9"))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "belongs to lkm-tune 0.0.9" in done.stderr
    assert "ray up cluster/config.yaml" in done.stderr
    assert not (tmp_path / "lkm-runs").exists()
