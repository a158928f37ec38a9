"""The states from which trials go on together after a kill between their checkpoints."""

import pytest

from lkm_tune.training import Checkpoints
from lkm_tune.training.run_state import newest_together

BUDGET = 9


def state(epoch, diverged=""):
    return {
        "config": {"training": {"epochs": BUDGET}},
        "history": list(range(epoch)),
        "diverged": diverged,
    }


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ([[2, 4], [2, 4]], [4, 4]),
        ([[2, 4], [1, 2]], [2, 2]),  # killed between the two
        ([[2], []], [0, 0]),  # killed between the first two
        ([[], []], [0, 0]),
        ([[2, 4], [3, 4], [3]], [0, 0, 0]),  # epochs that never were equal
        ([[2, 4], ["3"], [2]], [2, 3, 2]),  # one has diverged
        ([[6, BUDGET], [6]], [BUDGET, 6]),  # one has ended
        ([[4]], [4]),
    ],
)
def test_those_that_go_on_are_equally_old(tmp_path, saved, expected):
    trials = []
    for k, epochs in enumerate(saved):
        trials.append(Checkpoints(tmp_path / str(k)))
        for epoch in epochs:
            diverged = "high" if isinstance(epoch, str) else ""
            trials[-1].save(state(int(epoch), diverged), int(epoch))
    states = newest_together(trials)
    assert [len(one["history"]) if one else 0 for one in states] == expected
