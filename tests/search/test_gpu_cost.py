"""The estimated cost of a study on GPUs, on a machine without one."""

from dataclasses import replace

import pytest
import torch

from lkm_tune.search.gpu_cost import CARDS, GpuCost, gpu_costs
from lkm_tune.search.step_work import StepWork, Work, work_of_step
from lkm_tune.study import DataPlan, Resources, RunConfig, SearchPlan, Study, TrainingPlan

STUDY = Study(
    name="s",
    models={"gin": {"hidden": 8, "depth": 2}},
    tasks={"qm9/homo": DataPlan(source="sample", n_train=40, n_val=24, n_test=8)},
    search=SearchPlan(trials=0),
    training=TrainingPlan(epochs=3, batch_size=8),
    resources=Resources(gpu=1),
)
LINEAR = 2 * 6 * 3 * 5, 4 * (6 * 3 + 3 * 5 + 6 * 5)


def test_kernels_operations_and_bytes_of_a_product():
    with Work() as work:
        a, b = torch.zeros(6, 3), torch.zeros(3, 5)
        (a @ b).view(-1).t()
    flops, nbytes = LINEAR
    assert work.launches == 3
    assert work.nbytes == nbytes + 4 * (6 * 3 + 3 * 5)


@pytest.mark.parametrize(("rows", "launches"), [(1, 2), (1000, 2)])
def test_a_gather_moves_its_rows_alone(rows, launches):
    table, of = torch.zeros(1000, 4), torch.zeros(rows, dtype=torch.int64)
    with Work() as work:
        table.index_select(0, of) + 1
    gathered = 16 * rows
    assert work.launches == launches
    assert work.nbytes == 2 * gathered + 8 * rows + 2 * gathered


def test_a_larger_network_has_more_work_in_as_many_kernels(tmp_path):
    config = RunConfig(
        model="gin",
        task="qm9/homo",
        model_settings={"hidden": 8, "depth": 2},
        data=DataPlan(source="sample", n_train=8, n_val=8, n_test=8),
        training=TrainingPlan(batch_size=8),
        gamma=0.1,
    )
    small = work_of_step(config, tmp_path)
    large = work_of_step(replace(config, model_settings={"hidden": 64, "depth": 2}), tmp_path)
    assert large.launches == small.launches > 50
    # Products of 8 and of 64 features with as many again.
    assert 16 < large.flops / small.flops < 64
    assert large.nbytes > 4 * small.nbytes


def test_the_cost_on_each_card_is_a_range(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    work = StepWork(launches=1000, flops=81 * 10**9, nbytes=32 * 10**8)
    monkeypatch.setattr("lkm_tune.search.step_work.work_of_step", lambda config, cache: work)
    (first, *_) = found = gpu_costs(STUDY)
    assert [cost.card for cost in found] == list(CARDS)
    # 24 runs of 3 epochs with (40 + 24 / 3) / 8 steps; the T4 needs 10 ms for each of both.
    assert first == GpuCost(CARDS[0], pytest.approx(24 * 18 * 0.01), pytest.approx(24 * 18 * 0.05))
    assert all(cost.least < cost.most for cost in found)


@pytest.mark.parametrize(("gpu", "visible"), [(0.0, False), (1.0, True), ("auto", True)])
def test_nothing_is_estimated_without_a_reason(monkeypatch, gpu, visible):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)
    assert gpu_costs(replace(STUDY, resources=Resources(gpu=gpu))) == ()
