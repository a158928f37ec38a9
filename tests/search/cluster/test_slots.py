"""The number of trials on nodes, as a table."""

import pytest

from lkm_tune.search.cluster import slots

ONE_GPU = {"CPU": 8.0, "GPU": 1.0}
FOUR_GPUS = {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("nodes", "cpu", "gpu", "expected"),
    [
        ([{"CPU": 2.0}], 1, 0, 2),
        ([{"CPU": 3.0}], 2, 0, 1),  # a trial cannot span nodes
        ([{"CPU": 3.0}, {"CPU": 3.0}], 2, 0, 2),
        ([{"CPU": 1.0}], 0.1, 0, 10),
        ([ONE_GPU], 1, 0.25, 4),
        ([ONE_GPU], 4, 0.25, 2),
        ([FOUR_GPUS], 1, 0.4, 8),  # two on each GPU
        ([FOUR_GPUS], 1, 2, 2),
        ([FOUR_GPUS, {"CPU": 64.0}], 1, 1, 4),
    ],
)
def test_slots(monkeypatch, nodes, cpu, gpu, expected):
    alive = [{"Alive": True, "NodeID": str(i), "Resources": n} for i, n in enumerate(nodes)]
    dead = {"Alive": False, "Resources": {"CPU": 100.0, "GPU": 100.0}}
    monkeypatch.setattr(slots.ray, "nodes", lambda: [*alive, dead])
    assert slots.trial_slots(slots.Share(cpu=float(cpu), gpu=float(gpu))).all == expected


@pytest.mark.parametrize(
    ("nodes", "cpu", "gpu", "whole", "of_a_whole"),
    [
        ([{"CPU": 2.0}], 1, 0, (2, 0), 2),
        ([{"CPU": 2.0}, {"CPU": 9.0}], 2, 0, (9, 0), 4),
        ([FOUR_GPUS], 1, 0.25, (1, 1), 4),
        ([FOUR_GPUS], 1, 2, (1, 2), 1),
    ],
)
def test_a_trial_with_a_node_or_gpu_to_itself(monkeypatch, nodes, cpu, gpu, whole, of_a_whole):
    alive = [{"Alive": True, "NodeID": str(i), "Resources": n} for i, n in enumerate(nodes)]
    monkeypatch.setattr(slots.ray, "nodes", lambda: alive)
    found = slots.trial_slots(slots.Share(cpu=float(cpu), gpu=float(gpu)))
    assert (found.whole.cpu, found.whole.gpu) == whole
    assert found.of_a_whole == of_a_whole


def test_a_trial_that_fits_nowhere_is_refused(monkeypatch):
    nodes = [{"Alive": True, "NodeID": "0", "Resources": {"CPU": 2.0}}]
    monkeypatch.setattr(slots.ray, "nodes", lambda: nodes)
    with pytest.raises(slots.NoRoomError, match="needs 1 CPU and 1 GPU .* have: 2 CPU, 0 GPU"):
        slots.trial_slots(slots.Share(cpu=1.0, gpu=1.0))
