"""What studies that share a Ray take and give, as a table and on a real Ray."""

from dataclasses import replace

import pytest

from lkm_tune.search.cluster.neighbours import Claim, take_turn
from lkm_tune.search.cluster.slots import Share


@pytest.mark.parametrize(
    ("slots", "reserved", "free", "held", "ready", "lacking", "room", "lacks", "to_give"),
    [
        # Alone: all of the cluster.
        (4, 0, 4, 0, 9, [], 4, 0, 0),
        (4, 4, 0, 4, 9, [], 4, 0, 0),
        # Programs that tell nothing hold the rest: what is free is counted.
        (4, 0, 1, 0, 9, [], 1, 3, 0),
        (4, 0, 0, 0, 9, [], 0, 4, 0),
        (4, 0, 0, 0, 1, [], 0, 1, 0),
        # Another study lacks its half: it gets it, and no more.
        (4, 4, 0, 4, 9, [2], 2, 0, 2),
        (4, 4, 0, 4, 9, [1], 2, 0, 1),
        (4, 3, 0, 3, 9, [1], 2, 0, 1),
        (4, 2, 0, 2, 9, [1], 2, 0, 0),
        (3, 3, 0, 3, 9, [2], 2, 0, 1),
        # The one that lacks takes what becomes free, up to its part.
        (4, 0, 0, 0, 9, [0], 0, 2, 0),
        (4, 0, 2, 0, 9, [0], 2, 0, 0),
        (4, 1, 3, 1, 9, [1], 2, 0, 0),
        # Nobody lacks: what is free is taken beyond one's part.
        (4, 2, 1, 2, 9, [0], 3, 0, 0),
        # Three studies, and one slot.
        (6, 6, 0, 6, 9, [2, 2], 2, 0, 4),
        (1, 1, 0, 1, 9, [1], 1, 0, 0),
        (1, 0, 0, 0, 9, [0], 0, 1, 0),
    ],
)
def test_turns(slots, reserved, free, held, ready, lacking, room, lacks, to_give):
    turn = take_turn(slots, reserved, free, held, ready, lacking)
    assert (turn.room, turn.lacks, turn.to_give) == (room, lacks, to_give)


def test_two_studies_settle_at_their_parts_and_stay_there():
    """The first held everything, and takes it again when the other has ended."""
    held, turns = [6, 0], [None, None]

    def look(me, ready=9):
        other = 1 - me
        free = 6 - sum(held)
        lacking = [turns[other].lacks] if turns[other] else []
        turns[me] = take_turn(6, held[me], free, held[me], ready, lacking)
        held[me] -= turns[me].to_give
        held[me] = max(held[me], min(turns[me].room, ready))

    for _ in range(4):
        look(0), look(1)
    assert held == [3, 3]
    for _ in range(4):
        look(1), look(0)
        assert held == [3, 3], "nobody takes from the other what it would have to give back"
    held[1], turns[1] = 0, None
    look(0)
    assert held[0] == 6


@pytest.mark.parametrize(
    ("claim", "share", "lacks"),
    [
        (Claim(0), Share(1.0, 0.0), 0),
        (Claim(0, lacks_cpu=2.0), Share(1.0, 0.0), 2),
        (Claim(0, lacks_cpu=1.0), Share(2.0, 0.0), 1),
        (Claim(0, lacks_cpu=4.0, lacks_gpu=1.0), Share(2.0, 0.25), 4),
        (Claim(0, lacks_cpu=0.3), Share(0.1, 0.0), 3),
    ],
)
def test_what_one_lacks_in_trials_of_another(claim, share, lacks):
    assert claim.lacks(share) == lacks
    assert replace(claim, held=5).lacks(share) == lacks


BOARD = """
import ray
from lkm_tune.search.cluster import neighbours
from lkm_tune.search.cluster.neighbours import Board, Claim
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
one, two = Board(), Board()
print(one.look())
two.tell(Claim(3, 1.0, 0.5))
print(one.look(), two.look())
for _ in range(neighbours.SILENT_LOOKS):
    one.look()
print(one.look())
two.tell(Claim(3, 1.0, 0.5))
two.look()
two.tell(Claim(3, 1.0, 0.5))
print(len(one.look()))
two.leave()
print(one.look())
"""


def test_drivers_tell_each_other(run_on_ray):
    """One that was killed says nothing new, and is forgotten."""
    claim = "[Claim(held=3, lacks_cpu=1.0, lacks_gpu=0.5)]"
    assert run_on_ray(BOARD).splitlines() == ["[]", f"{claim} []", "[]", "1", "[]"]
