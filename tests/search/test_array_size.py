"""The number of trials in an array, by model, width, device and search space."""

import pytest

from lkm_tune.search.array_size import array_size
from lkm_tune.search.cluster.probe import CONTEXT, Memory
from lkm_tune.search.cluster.slots import Share
from lkm_tune.search.wanted_array import SEARCHED
from lkm_tune.study import CurvePlan, Resources, Study

GIB = 2**30


class Probe:
    """A GPU whose trials hold 1 GiB beside the context."""

    def __init__(self, study, gpu):
        self.gpu = gpu

    def memory(self):
        return Memory(CONTEXT + GIB, self.gpu)


def refused(study):
    raise AssertionError("no probe is needed")


def study_of(model, array="auto"):
    return Study(
        name="s",
        models={model: {"hidden": 32}},
        tasks=("qm9/homo",),
        curve=CurvePlan(gammas=(0.0, 0.1, 1.0, 10.0)),
        resources=Resources(array=array),
    )


@pytest.mark.parametrize(
    ("model", "array", "settings", "size"),
    [
        ("gcn", "auto", {}, 4),
        ("gin", "auto", {"hidden": 16}, 4),
        ("gat", "auto", {"hidden": 64}, 1),
        ("pamnet", "auto", {}, 1),
        ("gcn", 1, {}, 1),
        ("gcn", 3, {}, 3),
        ("pamnet", 3, {}, 3),
    ],
)
def test_on_a_cpu_the_model_and_its_width_decide(model, array, settings, size):
    study = study_of(model, array)
    sizes = array_size(study, Share(1.0, 0.0), refused)
    (cell,) = study.cells
    assert sizes(cell, "curve", {"gamma": 0.1, **settings}) == size


def test_networks_that_cannot_train_in_arrays_train_singly():
    study, without = study_of("gcn", 3), set()
    sizes = array_size(study, Share(1.0, 0.0), refused, without)
    (cell,) = study.cells
    assert sizes(cell, "curve", {}) == 3
    without.add("gcn")
    assert sizes(cell, "curve", {}) == 1


@pytest.mark.parametrize(
    ("gpu", "share", "size"),
    [(80 * GIB, 1.0, 4), (4 * GIB, 1.0, 3), (8 * GIB, 0.25, 1), (2 * GIB, 0.5, 1)],
)
def test_on_a_gpu_the_memory_of_the_share_decides(gpu, share, size):
    study = study_of("pamnet")
    sizes = array_size(study, Share(1.0, share), lambda study: Probe(study, gpu))
    assert sizes(study.cells[0], "curve", {"gamma": 0.1}) == size


def test_without_room_for_a_probe_points_train_singly(caplog):
    class Late:
        def memory(self):
            raise ValueError("others hold all GPUs")

    sizes = array_size(study_of("pamnet"), Share(1.0, 0.5), lambda study: Late())
    assert sizes(study_of("pamnet").cells[0], "curve", {"gamma": 0.1}) == 1
    assert "others hold all GPUs" in caplog.text


@pytest.mark.parametrize(("array", "size"), [("auto", SEARCHED), (9, 9)])
def test_search_trials_need_no_curve(array, size):
    study = study_of("gcn", array)
    assert array_size(study, Share(1.0, 0.0), refused)(study.cells[0], "search", {}) == size


def test_search_trials_of_an_array_fit_into_a_gpu():
    study = study_of("pamnet")
    size = array_size(study, Share(1.0, 1.0), lambda study: Probe(study, 3 * GIB))
    assert size(study.cells[0], "control", {}) == 2
