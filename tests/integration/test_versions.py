"""Studies with different versions of the package on one cluster."""

import shutil
from pathlib import Path

import pytest

import lkm_tune as package

from .test_cluster import FEW, QUICK, cluster, wait_for
from .tiny_study import lay_out, table, trained_epochs

pytestmark = pytest.mark.survival

__all__ = ["cluster"]


def changed(folder, remark):
    """A folder with a copy of the package that has another digest."""
    source = Path(package.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, folder / "lkm_tune", ignore=ignored, dirs_exist_ok=True)
    with (folder / "lkm_tune/package.py").open("a") as text:
        text.write(f"# {remark}\n")
    return folder


def test_a_study_goes_on_beside_another_version_and_after_its_code_is_replaced(
    cluster, start, tmp_path
):
    """A user runs the installed package; another user runs a changed one on the same nodes."""
    code = changed(tmp_path / "code", "changed")
    environments = {"mine": QUICK, "theirs": QUICK | {"PYTHONPATH": str(code)}}
    studies = {}
    for name, variables in environments.items():
        (tmp_path / name).mkdir()
        folder = lay_out(tmp_path / name)
        alone = ("--set", "search.max_concurrent=1")
        studies[name] = start(
            "run", "tiny.yaml", *FEW, *alone, "--address", cluster, cwd=folder, **variables
        )
        wait_for(lambda there=folder: trained_epochs(there) > 0, f"the study of {name} to train")
        (folder / "hold").touch()
    # Someone replaces the code of the second study while both are in a trial.
    for path in (code / "lkm_tune").rglob("*.py"):
        path.write_text("raise RuntimeError('replaced')\n")
    for name, process in studies.items():
        (tmp_path / name / "hold").unlink()
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert set(table(tmp_path / name)["status"]) <= {"complete", "stopped"}
        ledger = tmp_path / name / "lkm-runs/studies/tiny/ledger.jsonl"
        assert '"failures"' not in ledger.read_text()
        (copy,) = (tmp_path / name / "lkm-runs/packages").iterdir()
        assert ("# changed" in (copy / "lkm_tune/package.py").read_text()) == (name == "theirs")
