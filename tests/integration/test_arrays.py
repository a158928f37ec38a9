"""A study whose search trials and curve points train as arrays: undisturbed, killed and broken."""

import os
import random
import signal
import time

import pandas as pd
import pytest

from .test_survival import kill, noted_epochs, start_and_kill
from .tiny_study import GAP, lay_out, runs_of, table, trained_epochs, wait_for_steps

pytestmark = pytest.mark.survival

EPOCHS = 16
STUDY = f"""
name: tiny
models: ["counting_net:net"]
tasks: [qm9/alpha]
data: {{source: sample, n_train: 16, n_val: 8, n_test: 8}}
space:
  gamma: {{type: float, low: 1e-4, high: 100, log: true}}
  lr: {{type: float, low: 1e-3, high: 1e-1, log: true}}
  depth: {{type: int, low: 2, high: 3}}
search: {{trials: 16, startup_trials: 4, grace_period: 4, control: false, max_concurrent: 1}}
curve: {{gammas: [0, 0.01, 1, 1e300], seeds: [1, 2, 3]}}
training: {{epochs: {EPOCHS}, batch_size: 16, warmup_epochs: 1}}
resources: {{array: 4}}
"""
CURVES = ["0 1 2 3", "4 5 6 7", "8 9 10 11"]


@pytest.fixture
def folder(folder):
    (folder / "tiny.yaml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def undisturbed(lkm_tune, tmp_path_factory):
    folder = lay_out(tmp_path_factory.mktemp("arrays"))
    (folder / "tiny.yaml").write_text(STUDY)
    lkm_tune("run", "tiny.yaml", cwd=folder)
    return folder


def epochs_of(folder):
    """Key of a trial -> the end of its run and its epochs in MLflow."""
    return {key: (run.info.status, epochs) for key, (run, epochs) in runs_of(folder).items()}


def check(folder, known, *, exactly):
    found, expected = table(folder), table(known)
    if not exactly:
        found, expected = (one.drop(columns="array", errors="ignore") for one in (found, expected))
    rounding = {"check_exact": True} if exactly else {"rtol": 1e-4}
    pd.testing.assert_frame_equal(found, expected, **rounding)
    assert epochs_of(folder) == epochs_of(known)
    assert not list(folder.rglob("attempt-*")), "checkpoints of trials that have ended"


def test_trials_train_in_arrays_and_keep_their_records(undisturbed):
    runs = table(undisturbed)
    points, searched = (runs[runs["phase"] == phase] for phase in ("curve", "search"))
    assert list(points["array"].unique()) == CURVES
    assert points["status"].value_counts().to_dict() == {"complete": 9, "diverged": 3}
    assert {"complete", "stopped"} <= set(searched["status"]) <= {"complete", "stopped", "diverged"}
    arrays = searched.dropna(subset="array").groupby("array")
    assert len(arrays) >= 3
    for name, array in arrays:
        assert len(array) == len(name.split()) > 1
        assert array["depth"].nunique() == 1
        assert array["lr"].nunique() == array["gamma"].nunique() == len(array)
    assert (arrays["status"].nunique() > 1).any(), "a rung stops some of an array"
    reported = {key: epochs for key, (_, epochs) in epochs_of(undisturbed).items()}
    assert all(epochs == [*range(1, len(epochs) + 1)] for epochs in reported.values())
    # A step of an array goes through the network once, and a check on a batch two or three times.
    programs = runs.assign(n=runs["trial"].map(reported).map(len), name=runs["array"])
    longest = programs.fillna({"name": runs["trial"]}).groupby(["phase", "name"])["n"].max()
    steps = trained_epochs(undisturbed)
    assert longest.sum() <= steps <= (longest + 3).sum()
    assert steps < 0.7 * programs["n"].sum()


def test_arrays_of_a_driver_killed_again_and_again(start, lkm_tune, undisturbed, folder):
    """One kill during the search, one at any moment, and one during the curve."""
    draw = random.Random(1)
    epochs = sum(len(epochs) for _, epochs in epochs_of(undisturbed).values())
    for share in (draw.uniform(0, 0.3), draw.uniform(0, 1), draw.uniform(0.7, 1)):
        assert start_and_kill(start, folder, share * epochs, draw.uniform(0, 0.3))
    lkm_tune("run", "tiny.yaml", cwd=folder)
    check(folder, undisturbed, exactly=True)
    wasted = trained_epochs(folder) - trained_epochs(undisturbed)
    assert wasted <= 3 * (GAP + 3)


def test_an_array_whose_process_dies_goes_on_in_halves(start, undisturbed, folder):
    """Of the curve: halves of a searched array are judged in another order."""
    process = start("run", "tiny.yaml", cwd=folder)
    wait_for_steps(folder, trained_epochs(undisturbed) - 30)
    (folder / "hold").touch()
    time.sleep(1)  # The process waits in a step now, not between two arrays.
    os.kill(int((folder / "steps.log").read_text().split()[-1]), signal.SIGKILL)
    (folder / "hold").unlink()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    check(folder, undisturbed, exactly=False)
    points = table(folder).query("phase == 'curve' and status == 'complete'")
    arrays = set(points["array"].fillna("alone"))
    (broken,) = set(CURVES) - arrays
    # The last had diverged in its first epoch.
    first, *others, _ = broken.split()
    assert arrays - set(CURVES) == {"alone", " ".join(others)}


def test_an_interrupted_array_goes_on_and_later_points_train_singly(
    start, lkm_tune, undisturbed, folder
):
    epochs = epochs_of(undisturbed).items()
    searched = sum(len(one) for key, (_, one) in epochs if "/search/" in key)
    process = start("run", "tiny.yaml", cwd=folder)
    while noted_epochs(folder) < searched + 8:
        assert process.poll() is None
        time.sleep(0.05)
    kill(process)
    output = lkm_tune("run", "tiny.yaml", "--set", "resources.array=1", cwd=folder)
    assert "resources.array: was 4, is 1 now" in output
    check(folder, undisturbed, exactly=False)
    points = table(folder).query("phase == 'curve'")
    assert set(points["array"].dropna()) == set(CURVES[:1])
