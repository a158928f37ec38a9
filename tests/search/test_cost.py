"""The estimated cost of a study."""

from dataclasses import replace

import torch

from lkm_tune.search import cost
from lkm_tune.study import DataPlan, Study, TrainingPlan
from lkm_tune.training import TrainingRun

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


def test_two_targets_of_the_same_molecules_share_a_measurement(tmp_path, monkeypatch):
    trained = []

    class Counted(TrainingRun):
        def __init__(self, config, *arguments, **others):
            trained.append((config.model, config.task))
            super().__init__(config, *arguments, **others)

    monkeypatch.setattr(cost, "TrainingRun", Counted)
    plan = STUDY.tasks["qm9/homo"]
    models = {"gin": {"hidden": 8, "depth": 2}, "gcn": {"hidden": 8, "depth": 2}}
    study = replace(STUDY, models=models, tasks={"qm9/homo": plan, "qm9/mu": plan})
    found = {(c.cell.model, c.cell.task): c.seconds for c in cost.estimate(study, tmp_path)}
    assert sorted(trained) == [("gcn", "qm9/homo"), ("gin", "qm9/homo")]
    assert found["gin", "qm9/homo"] == found["gin", "qm9/mu"] != found["gcn", "qm9/mu"]
