"""Measurements inside a run: their epochs, unchanged training, and the drawn molecule."""

import pytest
import torch

from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun
from lkm_tune.training.examine import epoch_figures, find_molecule


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    config = RunConfig(
        model="mxmnet",
        task="qm9/alpha",
        model_settings={"hidden": 8, "depth": 1},
        data=DataPlan(source="sample", n_train=64, n_val=8, n_test=8),
        training=TrainingPlan(epochs=7, batch_size=2),
        gamma=0.1,
    )
    return lambda: TrainingRun(config, cache=cache)


def test_looks_change_nothing_and_come_as_often_as_they_may(start):
    plain, looked = start(), start()
    found = {}
    for _ in plain.epochs():
        pass
    for epoch in looked.epochs():
        found[epoch.epoch] = epoch_figures(looked)
    # 32 steps per epoch: a measurement after every fourth, the first and the last epoch.
    assert [epoch for epoch, figures in found.items() if figures] == [1, 4, 7]
    assert found[1].keys() == found[7].keys()
    assert found[7]["gradient_mixing"] > 0
    assert {"cka_mean", "rank_mean", "effective_rank/2", "cka/1-2"} <= found[4].keys()
    weights = zip(
        plain.model.state_dict().values(), looked.model.state_dict().values(), strict=True
    )
    assert all(torch.equal(one, other) for one, other in weights)
    # The record says what the looks cost, also if another worker continues the run.
    ended, taken = start(), looked.diagnostics_seconds
    ended.load_state_dict(looked.state_dict())
    assert ended.result().diagnostics_seconds == taken > 0
    trained = sum(epoch.seconds for epoch in looked.history)
    assert ended.result().seconds == pytest.approx(trained + taken)
    assert plain.result().diagnostics_seconds == 0


def test_find_molecule(start):
    data = start().data
    largest = find_molecule(data)
    sizes = [data.n_atoms(data.split.val[i : i + 1]) for i in range(8)]
    assert largest in data.split.val
    assert data.store.atom_offsets[largest + 1] - data.store.atom_offsets[largest] == max(sizes)
    number = int(data.store.ids[5])
    assert find_molecule(data, str(number)) == 5
    batch = data.store.batch([5])
    formula = "".join("HCNOF"[[1, 6, 7, 8, 9].index(z)] for z in batch.z.tolist())
    first = data.store.batch([find_molecule(data, formula)])
    assert sorted(first.z.tolist()) == sorted(batch.z.tolist())


@pytest.mark.parametrize(
    ("model", "task", "settings", "data"),
    [
        ("gcn", "cora", {"hidden": 8, "depth": 3}, DataPlan(n_train=140, n_val=500)),
        ("gin", "pubchem/gap", {"hidden": 8, "depth": 3}, DataPlan(n_train=32, n_val=8, n_test=8)),
        ("pamnet", "rmd17/ethanol", {"hidden": 8, "depth": 2}, DataPlan("auto", 16, 8, 8)),
    ],
)
def test_looks_into_every_kind_of_task(shared, tmp_path, model, task, settings, data):
    """Classes of nodes, molecules with bonds only, and energies with forces."""
    plan = TrainingPlan(epochs=2, batch_size=8, lr=1e-3)
    config = RunConfig(model, task, settings, data, plan, gamma=0.1)
    run = TrainingRun(config, cache=tmp_path)
    next(run.epochs())
    found = epoch_figures(run)
    n_layers = 4 if model == "pamnet" else 3
    assert {f"effective_rank/{j}" for j in range(1, n_layers + 1)} <= found.keys()
    assert 0 < found["cka_mean"] <= 1 + 1e-6
    assert found["gradient_prediction"] > 0 and found["gradient_mixing"] > 0
    assert found["rank_mean"] > 1
