"""Checkpoints take at most 2 % of the training time, by a pretended clock."""

import pytest

from lkm_tune.training.pace import SHARE, Pace


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def saved_epochs(epochs, seconds, cost, must=()):
    """The epochs with a checkpoint, and the share of their time."""
    clock, saved = Clock(), []
    pace = Pace(clock)
    for epoch in range(1, epochs + 1):
        pace.trained(seconds)
        if epoch in must or pace.due:
            with pace.saving():
                clock.now += cost
            saved.append(epoch)
    return saved, clock.now / (epochs * seconds)


@pytest.mark.parametrize(
    ("seconds", "cost", "expected"),
    [
        (60.0, 1.0, list(range(1, 11))),  # long epochs: every one
        (1.0, 0.1, [1, 10]),
        (1.0, 1.0, [1]),
        (1.0, 0.0, list(range(1, 11))),
    ],
)
def test_checkpoints_are_as_frequent_as_they_are_cheap(seconds, cost, expected):
    saved, _ = saved_epochs(10, seconds, cost)
    assert saved == expected


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.1, 0.7])
def test_their_share_of_the_time_is_bounded(cost):
    saved, share = saved_epochs(1000, 1.0, cost)
    assert share <= SHARE
    gaps = [after - before for before, after in zip(saved, saved[1:], strict=False)]
    assert max(gaps[1:]) <= max(1, cost / SHARE) + 1


def test_those_that_must_be_count():
    saved, _ = saved_epochs(400, 1.0, 0.5, must=(10, 20, 30))
    assert saved[:4] == [1, 10, 20, 30]
    assert saved[4] == 125, "five checkpoints of 0.5 s are 2 % of 125 s"
