"""The number of trials per GPU from the results of a probe; the probe here is a table."""

import math

import pytest

from lkm_tune.search.cluster.sharing import Memory, settle, trials_per_gpu
from lkm_tune.search.cost import at_ends
from lkm_tune.study import GAMMA, Choice, DataPlan, IntRange, Resources, Study

GIB = 2.0**30
NODE = {"CPU": 16.0, "GPU": 2.0}


class Table:
    """A probe of trials with given GiB and with steps per second by the number of trials."""

    def __init__(self, gib, rates, of=80):
        self.gib, self.rates, self.of = gib, rates, of
        self.tried = []

    def memory(self):
        return Memory(self.gib * GIB, self.of * GIB)

    def step_seconds(self, at_once):
        self.tried.append(at_once)
        return at_once / self.rates[at_once] if self.rates[at_once] else math.inf


SCALES = {1: 10, 2: 20, 4: 40, 8: 80, 16: 160}
NOT_FITTING = 0
SATURATES = {1: 10, 2: 18, 4: 30, 8: 31, 16: 31}


@pytest.mark.parametrize(
    ("gib", "rates", "most", "expected", "tried"),
    [
        (1, SCALES, 8, 8, [1, 2, 4, 8]),
        (1, SCALES, 5, 4, [1, 2, 4]),  # the node's cores allow no more
        (1, SATURATES, 16, 4, [1, 2, 4, 8]),  # eight trials would only wait for each other
        (20, SCALES, 16, 2, [1, 2]),  # 72 GiB hold three trials
        (72, SCALES, 16, 1, [1]),
        (10, {1: 10, 2: 9}, 16, 1, [1, 2]),
        (10, {1: 10, 2: 20, 4: NOT_FITTING}, 16, 2, [1, 2, 4]),  # others took free memory
    ],
)
def test_trials_per_gpu(gib, rates, most, expected, tried):
    probe = Table(gib, rates)
    assert trials_per_gpu(probe, most) == expected
    assert probe.tried == tried


def test_a_trial_that_no_gpu_holds_is_refused():
    with pytest.raises(ValueError, match=r"takes 73 GiB, but 90% of the free part .* are 72 GiB"):
        trials_per_gpu(Table(73, SCALES), 4)
    with pytest.raises(ValueError, match=r"the largest trial was refused memory"):
        trials_per_gpu(Table(math.inf, SCALES), 4)


def make_study(gpu):
    return Study(
        name="s",
        models={"pamnet": {}},
        tasks=("qm9/homo",),
        space={
            "gamma": GAMMA,
            "depth": IntRange(type="int", low=1, high=6),
            "batch_size": Choice(type="choice", values=(64, 16)),
        },
        data=DataPlan(n_train=10_000),
        resources=Resources(cpu=2.0, gpu=gpu),
    )


@pytest.mark.parametrize(
    ("gpu", "nodes", "expected"),
    [
        ("auto", [NODE, {"CPU": 4.0}], (2.0, 0.25)),  # eight cores per GPU, two per trial
        ("auto", [{"CPU": 4.0}], (2.0, 0.0)),
        (0.5, [NODE], (2.0, 0.5)),
    ],
)
def test_settle(gpu, nodes, expected):
    share = settle(make_study(gpu), nodes, lambda study: Table(1, SCALES))
    assert (share.cpu, share.gpu) == expected


def test_what_is_tried_out_is_the_largest_trial():
    study = make_study("auto")
    config = at_ends(study, study.cells[0], steps=20)
    assert config.model_settings["depth"] == 6
    assert (config.training.batch_size, config.data.n_train) == (64, 20 * 64)
    # Validation takes larger batches than training does.
    assert config.data.n_val == config.training.eval_batch_size == 128


def test_a_graph_whose_split_is_published_is_tried_out_whole():
    sizes = DataPlan(n_train=140, n_val=500)
    study = Study(name="s", models={"gcn": {}}, tasks=("cora",), data=sizes)
    data = at_ends(study, study.cells[0], steps=20).data
    assert (data.n_train, data.n_val) == (140, 500)
