"""Drivers that share a Ray: their claims, and the number of trials that each may hold."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from ray.experimental import internal_kv as store

from lkm_tune.search.cluster.slots import Share

PREFIX = "lkm-tune/drivers/"

SILENT_LOOKS = 15
"""A driver is gone if its entry has not changed for this number of looks."""


@dataclass(frozen=True)
class Claim:
    """The claim of a driver for its study.

    Attributes:
        held: number of trials that the study holds.
        lacks_cpu: CPU cores that the study lacks for its part of the cluster.
        lacks_gpu: GPUs that the study lacks for its part of the cluster.
    """

    held: int
    lacks_cpu: float = 0.0
    lacks_gpu: float = 0.0

    def lacks(self, share: Share) -> int:
        """The number of trials of another study that would make enough room for this claim."""
        of_gpu = self.lacks_gpu / share.gpu if share.gpu else 0.0
        return math.ceil(max(self.lacks_cpu / share.cpu, of_gpu) - 1e-9)


@dataclass(frozen=True)
class Turn:
    """The room of a study until the next look.

    Attributes:
        room: number of trials that the study may hold: its reserved room and the free room.
        fair: number of trials in its part of the cluster.
        lacks: number of trials that its part lacks, after the free room is used.
        to_give: number of its running trials that make room for other studies.
        wanted: whether other studies lack room.
    """

    room: int
    fair: int
    lacks: int
    to_give: int
    wanted: bool


def take_turn(
    slots: int, reserved: int, free: int, held: int, ready: int, lacking: Sequence[int]
) -> Turn:
    """Divides the cluster among its studies, and gives the turn of one study.

    Studies that lack room get room from studies that hold more than an equal part of the cluster. A
    study that lacks no room leaves its part to the other studies.

    Args:
        slots: number of trials that fit on the cluster.
        reserved: number of trials that fit into the study's reserved room.
        free: number of trials that fit into the free room.
        held: number of suggested trials of the study that have not ended.
        ready: number of trials that could run now, running trials included.
        lacking: one number for every other study that holds or lacks room: the trials of this study
            that would make enough room for the other study's claim.
    """
    fair = max(1, math.ceil(slots / (1 + len(lacking))))
    lacks = max(0, min(ready, fair) - held - free)
    wanted = sum(lacking)
    room = min(reserved + free, fair) if wanted else reserved + free
    return Turn(room, fair, lacks, max(0, min(held - fair, wanted)), wanted > 0)


class Board:
    """The place in Ray's key-value store where drivers read each other's claims."""

    def __init__(self) -> None:
        """Writes no claim yet."""
        self._key = f"{PREFIX}{uuid4().hex}".encode()
        self._looks = 0
        # Key of every other driver -> its entry, and the look at which the entry changed last.
        self._seen: dict[bytes, tuple[bytes, int]] = {}

    def tell(self, claim: Claim) -> None:
        """Writes the claim of this driver."""
        # The number of the look shows that the driver lives; clocks of machines differ.
        entry = json.dumps(asdict(claim) | {"look": self._looks})
        store._internal_kv_put(self._key, entry, overwrite=True)

    def look(self) -> list[Claim]:
        """The claims of the other drivers."""
        self._looks += 1
        seen = {}
        for key in store._internal_kv_list(PREFIX):
            entry = store._internal_kv_get(key)
            if key == self._key or not entry:
                continue
            before, at = self._seen.get(key, (b"", 0))
            seen[key] = (entry, at if entry == before else self._looks)
        self._seen = seen
        claims = []
        for entry, at in seen.values():
            if self._looks - at < SILENT_LOOKS:
                told = json.loads(entry)
                claims.append(Claim(told["held"], told["lacks_cpu"], told["lacks_gpu"]))
        return claims

    def leave(self) -> None:
        """Removes the claim of this driver."""
        store._internal_kv_del(self._key)
