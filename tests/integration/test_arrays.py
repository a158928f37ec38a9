"""Studies whose curve points train as arrays: undisturbed, killed and broken."""

import os
import random
import signal
import time

import pandas as pd
import pytest

from .test_survival import kill, noted_epochs, start_and_kill
from .tiny_study import GAP, lay_out, runs_of, table, trained_epochs, wait_for_steps

EPOCHS = 16
STUDY = f"""
name: tiny
models: ["counting_net:net"]
tasks: [qm9/alpha]
data: {{source: sample, n_train: 16, n_val: 8, n_test: 8}}
space: {{gamma: {{type: float, low: 1e-4, high: 100, log: true}}}}
search: {{trials: 0, grace_period: 4, max_concurrent: 1}}
curve: {{gammas: [0, 0.01, 1, 1e300], seeds: [1, 2, 3]}}
training: {{epochs: {EPOCHS}, batch_size: 16, warmup_epochs: 1, lr: 0.01}}
resources: {{array: 4}}
"""
COMPLETE, ARRAYS = 9, 3


def lay_out_arrays(path):
    lay_out(path)
    (path / "tiny.yaml").write_text(STUDY)
    return path


@pytest.fixture
def folder(tmp_path):
    return lay_out_arrays(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(lkm_tune, tmp_path_factory):
    folder = lay_out_arrays(tmp_path_factory.mktemp("arrays"))
    lkm_tune("run", "tiny.yaml", cwd=folder)
    return folder


def check(folder, known, *, exactly):
    found, expected = table(folder), table(known)
    if not exactly:
        found, expected = (one.drop(columns="array", errors="ignore") for one in (found, expected))
    rounding = {"check_exact": True} if exactly else {"rtol": 1e-4}
    pd.testing.assert_frame_equal(found, expected, **rounding)
    histories = [
        {key: (run.info.status, history) for key, (run, history) in runs_of(one).items()}
        for one in (folder, known)
    ]
    assert histories[0] == histories[1]
    assert not list(folder.rglob("attempt-*")), "checkpoints of trials that have ended"


def test_an_array_has_the_results_of_single_trials(lkm_tune, undisturbed, folder):
    lkm_tune("run", "tiny.yaml", "--set", "resources.array=1", cwd=folder)
    check(folder, undisturbed, exactly=False)
    assert "array" not in table(folder)
    runs = table(undisturbed)
    assert set(runs["array"]) == {"0 1 2 3", "4 5 6 7", "8 9 10 11"}
    assert runs["status"].value_counts().to_dict() == {"complete": COMPLETE, "diverged": 3}
    # A step of an array goes through the network once, and a check on a batch twice or thrice.
    alone, together = trained_epochs(folder), trained_epochs(undisturbed)
    assert alone >= COMPLETE * EPOCHS
    assert together <= ARRAYS * (EPOCHS + 3)


def test_arrays_of_a_driver_killed_again_and_again(start, lkm_tune, undisturbed, folder):
    draw = random.Random(1)
    for epochs in sorted(draw.uniform(0, COMPLETE * EPOCHS) for _ in range(5)):
        assert start_and_kill(start, folder, epochs, draw.uniform(0, 0.3))
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check(folder, undisturbed, exactly=True)
    wasted = trained_epochs(folder) - trained_epochs(undisturbed)
    assert wasted <= 5 * (GAP + 3)


def test_an_array_whose_process_dies_goes_on_in_halves(start, undisturbed, folder):
    process = start("run", "tiny.yaml", cwd=folder)
    wait_for_steps(folder, 6)
    os.kill(int((folder / "steps.log").read_text().split()[-1]), signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    check(folder, undisturbed, exactly=False)
    assert set(table(folder)["array"]) == {"0 1", "2 3", "4 5 6 7", "8 9 10 11"}


def test_an_interrupted_array_goes_on_whatever_the_file_says_now(
    start, lkm_tune, undisturbed, folder
):
    process = start("run", "tiny.yaml", cwd=folder)
    while noted_epochs(folder) < 8:
        assert process.poll() is None
        time.sleep(0.05)
    kill(process)
    output = lkm_tune("run", "tiny.yaml", "--set", "resources.array=1", cwd=folder)
    assert "resources.array: was 4, is 1 now" in output
    check(folder, undisturbed, exactly=False)
    assert set(table(folder)["array"].dropna()) == {"0 1 2 3"}
