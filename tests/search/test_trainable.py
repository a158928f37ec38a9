"""The trainable of an array, without Ray; the test plays the driver."""

import pytest
import torch

from lkm_tune.package import package_digest
from lkm_tune.search.cluster.nodes import marked
from lkm_tune.search.trainable import LkmTrainable
from lkm_tune.search.trial_files import TrialFiles
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun

EPOCHS, RUNGS = 6, (2, 4)
RUNS = [
    RunConfig(
        model="gcn",
        task="qm9/alpha",
        model_settings={"hidden": 8, "depth": 2},
        data=DataPlan(source="sample", n_train=48, n_val=16, n_test=16),
        training=TrainingPlan(epochs=EPOCHS, batch_size=16, lr=lr, weight_decay=decay),
        gamma=gamma,
    )
    for gamma, lr, decay in (
        (0.1, 1e-3, 0.0),
        (1.0, 3e-3, 1e-3),
        (0.0, 1e-2, 0.0),
        (1e300, 1e-3, 0.0),
    )
]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts an array of runs, by number; they go on from their checkpoints."""
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path))
    threads = torch.get_num_threads()

    def array(*numbers):
        own, *others = [
            {"run": RUNS[k].to_dict(), "files": str(tmp_path / "trials" / str(k))} for k in numbers
        ]
        config = {
            **own, "others": others, "place": str(tmp_path / "trials"), "mark": mark,
            "package": package_digest(), "cache": str(tmp_path / "cache"), "folder": str(tmp_path),
            "digest": None, "threads": 1, "rungs": RUNGS, "holds": {"cpu": 1, "gpu": 0},
            "diagnostics": False, "system_metrics": False,
        }  # fmt: skip
        return LkmTrainable(config)

    with marked(str(tmp_path / "trials")) as mark:
        yield array
    torch.set_num_threads(threads)


def until(trainable, epoch, ended=()):
    """The reports up to an epoch by place and epoch, and the last result."""
    found, newest = {}, 0
    while newest < epoch:
        for result in trainable.train_buffered(0.0, ended):
            newest = result["epoch"]
            found |= {(one["member"], one["epoch"]): one for one in result["members"]}
    return found, result


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The validation errors of single runs."""
    runs = [TrainingRun(run, cache=tmp_path_factory.mktemp("cache")) for run in RUNS[:3]]
    return [[epoch.val_error for epoch in run.epochs()] for run in runs]


def same(reports, place, errors):
    known = {epoch: one["val_error"] for (k, epoch), one in reports.items() if k == place}
    return known == pytest.approx({epoch: errors[epoch - 1] for epoch in known}, rel=1e-4)


def test_a_stopped_trial_leaves_its_array_and_changes_no_number_of_the_others(
    start, alone, tmp_path
):
    array = start(0, 1, 2, 3)
    first, _ = until(array, RUNGS[0])
    assert {place for place, epoch in first if epoch == 2} == {0, 1, 2}, "one has diverged"
    then, _ = until(array, RUNGS[1], ended=(1, 3))
    assert set(then) == {(k, epoch) for k in (0, 2) for epoch in (3, 4)}
    last, end = until(array, EPOCHS, ended=(0, 1, 3))
    assert set(last) == {(2, 5), (2, 6)}
    assert end["done"] and last[2, 6]["summary"]["outcome"] == "complete"
    reports = first | then | last
    assert all(same(reports, place, errors) for place, errors in enumerate(alone))
    newest = [TrialFiles(str(tmp_path / "trials" / str(k))).checkpoints.newest() for k in range(3)]
    assert [len(state["history"]) for state in newest] == [4, 2, 6]
    array.stop()


def test_the_rest_of_an_array_goes_on_elsewhere(start, alone):
    array = start(0, 1, 2)
    until(array, RUNGS[0])
    until(array, RUNGS[1], ended=(1,))
    array.stop()
    again = start(0, 2)
    known, _ = until(again, RUNGS[1])
    assert set(known) == {(k, epoch) for k in (0, 1) for epoch in range(1, 5)}
    rest, end = until(again, EPOCHS)
    assert same(known | rest, 0, alone[0]) and same(known | rest, 1, alone[2])
    assert end["done"]
    again.stop()


def test_a_trial_stopped_at_a_known_rung_trains_no_further(start, alone):
    array = start(0, 1, 2)
    until(array, RUNGS[1])
    array.stop()
    again = start(0, 1, 2)
    until(again, RUNGS[0])
    rest, end = until(again, EPOCHS, ended=(0, 1))
    assert set(rest) == {(2, epoch) for epoch in (3, 4, 5, 6)}
    assert same(rest, 2, alone[2]) and end["done"]
    again.stop()
