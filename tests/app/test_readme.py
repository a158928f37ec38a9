"""The Python example of the README runs unchanged."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs(tmp_path):
    section = README.read_text(encoding="utf-8").split("## From Python")[1]
    (program,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    page, answer, ended = done.stdout.splitlines()[-3:]
    assert Path(page) == tmp_path / "lkm-runs/studies/notebook/report/report.html"
    assert Path(page).is_file()
    assert answer.startswith("gin qm9/homo ")
    assert int(ended) == 3 + 3 + 9 + 3
