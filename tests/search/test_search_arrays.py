"""Batches of search trials, and their arrays."""

import pytest

from lkm_tune.search.search_arrays import batch_size, divided
from lkm_tune.study import GAMMA, Choice, FloatRange, IntRange, SearchPlan, Study, TrialSpec

LR = FloatRange(type="float", low=1e-4, high=1e-2, log=True)
DEPTH = IntRange(type="int", low=2, high=5)
MIXING = Choice(type="choice", values=("uniform", "learned"))


def study_of(trials, **space):
    return Study(
        name="s",
        models={"gcn": {}},
        tasks=("qm9/homo",),
        space={"gamma": GAMMA, **space},
        search=SearchPlan(trials=trials),
    )


@pytest.mark.parametrize(
    ("size", "trials", "space", "batch"),
    [
        (1, 50, {}, 1),
        # Without settings that an array shares, one array.
        (8, 50, {}, 8),
        (8, 50, {"lr": LR, "weight_decay": LR}, 8),
        # Enough for full arrays of every kind, and at most a third of the search.
        (2, 50, {"depth": DEPTH}, 8),
        (8, 50, {"depth": DEPTH}, 16),
        (8, 400, {"depth": DEPTH, "lr": LR}, 32),
        (4, 400, {"depth": DEPTH, "mixing": MIXING}, 32),
        # No batch would have two trials of a kind.
        (8, 23, {"depth": DEPTH}, 1),
        (8, 47, {"depth": DEPTH, "mixing": MIXING}, 1),
        (8, 50, {"warmup_epochs": LR}, 1),
    ],
)
def test_a_batch_has_enough_for_arrays_and_is_a_part_of_the_search(size, trials, space, batch):
    assert batch_size(study_of(trials, **space), size) == batch


@pytest.mark.parametrize(
    ("depths", "size", "arrays"),
    [
        ([2], 4, [[0]]),
        ([2, 3, 2, 4, 2, 3], 4, [[0, 2, 4], [1, 5], [3]]),
        ([2, 2, 2, 2, 2], 4, [[0, 1], [2, 3, 4]]),
        ([2, 3, 2], 1, [[0], [2], [1]]),
    ],
)
def test_the_arrays_of_a_batch_have_one_depth_and_about_equal_sizes(depths, size, arrays):
    (cell,) = study_of(50).cells
    batch = [
        TrialSpec("s", cell, "search", k, {"gamma": 0.1 * k, "depth": depth, "lr": 0.1 * k}, 0, 9)
        for k, depth in enumerate(depths)
    ]
    found = divided(batch, lambda spec: size)
    assert [[spec.number for spec in array] for array in found] == arrays
