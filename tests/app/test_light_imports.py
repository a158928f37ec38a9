"""Fast commands load no package with a slow import; the table has the allowed packages."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lkm_tune.app.signs import keep_signs
from lkm_tune.ledger.study_folder import StudyFolder

HEAVY = ("torch", "ray", "mlflow", "optuna", "scipy", "pandas", "matplotlib", "rdkit", "ase")
PROGRAM = """
import sys
from lkm_tune.cli import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print("loaded:", *[name for name in sys.argv[1].split(",") if name in sys.modules])
"""
NAME = "before"
STUDY = Path(__file__).parents[1] / "ledger" / "before"


@pytest.mark.parametrize(
    ("verb", "output", "loaded"),
    [
        ("--help", "Commands:", ""),
        ("models", "num_spherical=7", ""),
        ("tasks", "qm9/homo", ""),
        ("check quickstart --no-cost", "no errors", ""),
        ("check mine.yaml --no-cost", "must be a whole number >= 1", ""),
        ("status", "has run in", ""),
        ("best-gamma", "has run in", ""),
        ("status --storage ran", "trials ended", ""),
        # No driver has stored the signs of trouble of this study.
        ("status --storage killed", "trials ended", "scipy pandas"),
    ],
)
def test_verb_loads_nothing_heavy(tmp_path, verb, output, loaded):
    for storage in ("ran", "killed"):
        shutil.copytree(STUDY, tmp_path / storage / "studies" / NAME)
    folder = StudyFolder(tmp_path / "ran", NAME)
    keep_signs(folder.read_study(), folder)
    (tmp_path / "mine.yaml").write_text("name: mine\nmodels: {gin: {outputs: 0}}\ntasks: [cora]\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *verb.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert output in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"loaded: {loaded}".strip()


def test_every_name_of_the_lazy_packages_exists():
    from lkm_tune import app, datasets, models, training, transfer

    for package in (app, datasets, models, training, transfer):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match=f"{package.__name__}' has no attribute 'nothing"):
            _ = package.nothing
