"""`bench_gpu.py` runs to its end without a GPU."""

import subprocess
import sys
from pathlib import Path


def test_all_tables_are_printed(tmp_path):
    command = [sys.executable, Path(__file__).with_name("bench_gpu.py"), "--device", "cpu"]
    done = subprocess.run(
        [*command, "--small", "--most", "2"], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    arrays = [row for row in rows if row[0].startswith("| 2 of qm9/U0")]
    assert [row[2] for row in arrays] == 2 * ["single", "1", "4", "8", "16", "32"]
    assert all(float(row[3]) > 0 for row in arrays)
    shared = [row for row in rows if len(row) == 5 and row[3] in ("1", "2")]
    assert len(shared) == 2
