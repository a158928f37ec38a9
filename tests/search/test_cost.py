"""The estimated cost of a study."""

import time
from dataclasses import replace

import pytest
import torch

from lkm_tune.search import cost
from lkm_tune.study import CurvePlan, DataPlan, Resources, SearchPlan, Study, TrainingPlan
from lkm_tune.training import ArrayError, TrainingRun

STUDY = Study(
    name="s",
    models={"gin": {"hidden": 8, "depth": 2}},
    tasks={"qm9/homo": DataPlan(source="sample", n_train=40, n_val=8, n_test=8)},
    training=TrainingPlan(epochs=3, batch_size=8),
)


def test_steps_are_timed_on_the_one_thread_that_the_cost_names(tmp_path, monkeypatch):
    seen = []

    class Watched(TrainingRun):
        def epochs(self):
            for epoch in super().epochs():
                seen.append(torch.get_num_threads())
                yield epoch

    monkeypatch.setattr(cost, "TrainingRun", Watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (found,) = cost.estimate(STUDY, tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1]
    assert found.seconds > found.seconds_per_epoch > 0


def test_waiting_for_other_programs_costs_nothing(tmp_path, monkeypatch):
    """On a machine with other work, a clock measured up to five times the time of the steps."""

    class Waiting(TrainingRun):
        def epochs(self):
            for epoch in super().epochs():
                time.sleep(1)
                yield epoch

    monkeypatch.setattr(cost, "TrainingRun", Waiting)
    (found,) = cost.estimate(replace(STUDY, resources=Resources(array=1)), tmp_path)
    assert 0 < found.seconds_per_epoch < 1


def test_two_targets_of_the_same_molecules_share_a_measurement(tmp_path, monkeypatch):
    trained = []

    class Counted(TrainingRun):
        def __init__(self, config, *arguments, **others):
            trained.append((config.model, config.task))
            super().__init__(config, *arguments, **others)

    monkeypatch.setattr(cost, "TrainingRun", Counted)
    plan = STUDY.tasks["qm9/homo"]
    models = {"gin": {"hidden": 8, "depth": 2}, "gcn": {"hidden": 8, "depth": 2}}
    tasks = {"qm9/homo": plan, "qm9/mu": plan}
    # An array would count once for each γ.
    study = replace(STUDY, models=models, tasks=tasks, resources=Resources(array=1))
    found = {(c.cell.model, c.cell.task): c.seconds for c in cost.estimate(study, tmp_path)}
    assert sorted(trained) == [("gcn", "qm9/homo"), ("gin", "qm9/homo")]
    assert found["gin", "qm9/homo"] == found["gin", "qm9/mu"] != found["gcn", "qm9/mu"]


def test_the_points_of_a_curve_cost_what_they_take_in_an_array(tmp_path):
    curve = CurvePlan(gammas=(0.0, 0.01, 0.1, 1.0), seeds=(1, 2))
    search = SearchPlan(trials=0)
    study = replace(STUDY, curve=curve, search=search)
    (auto,) = cost.estimate(study, tmp_path)
    assert auto.array == 4
    assert auto.seconds == pytest.approx(8 * 3 * auto.seconds_in_array)
    assert auto.seconds_in_array != auto.seconds_per_epoch
    (single,) = cost.estimate(replace(study, resources=Resources(array=1)), tmp_path)
    assert single.array == 1
    assert single.seconds == pytest.approx(8 * 3 * single.seconds_per_epoch)


def test_search_trials_cost_as_single_trials(tmp_path):
    search = SearchPlan(trials=3, control=False, startup_trials=1, grace_period=3)
    study = replace(STUDY, curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1,)), search=search)
    (found,) = cost.estimate(study, tmp_path)
    epochs = 3 * found.seconds_per_epoch + 2 * found.seconds_in_array
    assert found.seconds == pytest.approx(3 * epochs)


def test_a_network_that_cannot_train_in_arrays_costs_as_single_runs(tmp_path, monkeypatch):
    def refuse(runs):
        raise ArrayError("vmap fails")

    monkeypatch.setattr(cost, "ArrayRun", refuse)
    (found,) = cost.estimate(STUDY, tmp_path)
    assert found.array == 1
    assert found.seconds_in_array == found.seconds_per_epoch
