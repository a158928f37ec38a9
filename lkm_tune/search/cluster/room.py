"""The room that a study has on a Ray that other studies and programs share."""

import os
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from lkm_tune.search.cluster.demand import Demand
from lkm_tune.search.cluster.neighbours import Board, Claim, Turn, take_turn
from lkm_tune.search.cluster.slots import (
    NoRoomError,
    Share,
    Slots,
    free_slots,
    held_slots,
    trial_slots,
)
from lkm_tune.study import Study

SECONDS_BETWEEN_LOOKS = 1.0
"""Seconds between looks at the nodes, the free room and the other studies."""

VARIABLE = "LKM_TUNE_MAX_CONCURRENT"


def most_at_once(study: Study) -> int:
    """How many trials of a study may run at once.

    Returns:
        `search.max_concurrent`, else `LKM_TUNE_MAX_CONCURRENT`, the default of the cluster.

    Raises:
        ValueError: if the variable is not a whole number above 0.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if text and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"{VARIABLE} must be a whole number above 0, but is {text!r}")
    return study.search.max_concurrent or int(text or sys.maxsize)


class Room:
    """The number of trials that a study may hold, and when the study makes room for other studies.

    Attributes:
        reserved: returns the bundles of resources that the study holds at present, as Ray names
            them.
        waiting: whether the study holds no trial because no room is free.
        most: largest number of concurrent trials.
    """

    def __init__(
        self,
        share: Share,
        most: int,
        ready: Callable[[], int],
        demand: Demand | None,
        left_out: Callable[[], Collection[str]],
    ) -> None:
        """Takes no look yet.

        Args:
            share: the resources of a trial.
            most: see `most_at_once`.
            ready: returns the number of trials that could run now, running trials included.
            demand: requests nodes; None for a cluster that adds no nodes.
            left_out: returns Ray's names of nodes without trials.
        """
        self.reserved: Callable[[], Sequence[Mapping[str, float]]] = lambda: []
        self.waiting = False
        self.most = most
        self._share, self._ready, self._demand = share, ready, demand
        self._left_out = left_out
        self._board = Board()
        self._looked_at = float("-inf")
        self._slots = Slots(0, share, 1)
        self._turn = Turn(0, 1, 0, 0, wanted=False)
        self._to_give = 0
        self._useful = 0

    def slots(self, held: int) -> Slots:
        """The room of the study, which has suggested `held` trials that have not ended."""
        # Tune asks at every step, and Ray takes milliseconds to answer.
        if time.monotonic() - self._looked_at > SECONDS_BETWEEN_LOOKS:
            self._look(held)
            self._looked_at = time.monotonic()
        self.waiting = held == 0 and self._turn.room == 0
        return replace(self._slots, all=self._turn.room)

    @property
    def whole(self) -> Share:
        """The resources of a trial that runs alone on a node, or alone on its GPUs."""
        return self._slots.whole

    def _look(self, held: int) -> None:
        without = self._left_out()
        try:
            self._slots = trial_slots(self._share, without)
        except NoRoomError:
            # Room existed at the start: a cluster that has lost its nodes may get new nodes.
            self._slots = Slots(0, self._share, 1)
        reserved, free = held_slots(self.reserved(), self._share), free_slots(self._share, without)
        ready = min(self._ready(), self.most)
        others = [claim for claim in self._board.look() if claim.held or claim.lacks(self._share)]
        lacking = [claim.lacks(self._share) for claim in others]
        self._turn = take_turn(self._slots.all, reserved, free, held, ready, lacking)
        self._to_give, self._useful = self._turn.to_give, min(ready, self._turn.room)
        lacks = self._turn.lacks
        self._board.tell(Claim(held, lacks * self._share.cpu, lacks * self._share.gpu))
        if self._demand:
            self._demand.of(max(0, ready - self._turn.room))

    def takes_back(self) -> bool:
        """Whether the trial that has just reported an epoch makes room for another study."""
        if self._to_give > 0:
            self._to_give -= 1
            return True
        return False

    @property
    def crowded(self) -> bool:
        """Whether other studies lack room while this study holds more room than it uses."""
        held = held_slots(self.reserved(), self._share) if self._turn.wanted else 0
        return held > self._useful

    def leave(self) -> None:
        """Ends the claims of the study."""
        self.waiting = False
        self._board.leave()
