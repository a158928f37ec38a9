"""A sweep over γ in one process: the runs and files of single trainings."""

import json

import pytest

from lkm_tune.app import Events, LkmTuneError, train_gammas, train_run
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan

CONFIG = RunConfig(
    model="gin",
    task="qm9/homo",
    model_settings={"hidden": 8, "depth": 2},
    data=DataPlan(source="sample", n_train=32, n_val=8, n_test=8),
    training=TrainingPlan(epochs=2, batch_size=16),
    gamma=0.0,
)


class Heard(Events):
    def __init__(self):
        self.epochs, self.remarks = [], []

    def remark(self, text):
        self.remarks.append(text)

    def epoch_of(self, gamma, epoch, unit):
        self.epochs.append((gamma, epoch.epoch))


def test_a_sweep_is_single_trainings(tmp_path):
    heard = Heard()
    runs = train_gammas([0.0, 0.1], CONFIG, out=tmp_path / "sweep", events=heard)
    assert heard.epochs == [(0.0, 1), (0.1, 1), (0.0, 2), (0.1, 2)]
    alone = train_run(CONFIG, out=tmp_path / "alone")
    assert runs[0.0].result.test_error == pytest.approx(alone.result.test_error, rel=1e-4)
    for gamma, name in ((0.0, "gamma-0"), (0.1, "gamma-0.1")):
        folder = tmp_path / "sweep" / name
        assert runs[gamma].model == folder / "model.safetensors"
        assert runs[gamma].model.exists()
        assert len((folder / "history.csv").read_text().splitlines()) == 1 + 2
        result = json.loads((folder / "result.json").read_text())
        assert result["test_error"] == runs[gamma].result.test_error


@pytest.mark.parametrize("gammas", [[], [0.1, 0.1], [0.0, -1.0], [0.0, float("nan")]])
def test_wrong_gammas_are_refused(tmp_path, gammas):
    with pytest.raises(LkmTuneError, match="different numbers, each finite and at least 0"):
        train_gammas(gammas, CONFIG, out=tmp_path)
