"""Verbs that need no network and no cluster load neither torch nor Ray nor MLflow."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from lkm_tune.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("loaded:", sorted(sys.modules.keys() & {"torch", "ray", "mlflow"}))
"""


@pytest.mark.parametrize(
    ("verb", "output"),
    [
        (["--help"], "Commands:"),
        (["tasks"], "qm9/homo"),
        (["status"], "has been run in"),
        (["best-gamma"], "has been run in"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_verb_loads_nothing_heavy(tmp_path, verb, output):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *verb], cwd=tmp_path, capture_output=True, text=True
    )
    assert output in done.stdout + done.stderr
    assert done.stdout.endswith("loaded: []\n")


def test_every_name_of_the_python_api_exists():
    from lkm_tune import app

    assert sorted(app.__all__) == sorted(app._HOME)
    for name in app.__all__:
        assert getattr(app, name) is not None
