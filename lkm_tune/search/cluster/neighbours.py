"""Drivers that share a Ray: what each holds and lacks, and what each may hold."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from ray.experimental import internal_kv as store

from lkm_tune.search.cluster.slots import Share

PREFIX = "lkm-tune/drivers/"

SILENT_LOOKS = 15
"""A driver whose entry has not changed for so many looks is gone."""


@dataclass(frozen=True)
class Claim:
    """What a driver says of its study.

    Attributes:
        held: trials that it holds.
        lacks_cpu: CPU cores that it lacks for its part of the cluster.
        lacks_gpu: GPUs that it lacks for its part of the cluster.
    """

    held: int
    lacks_cpu: float = 0.0
    lacks_gpu: float = 0.0

    def lacks(self, share: Share) -> int:
        """How many trials of another study make room for what this one lacks."""
        of_gpu = self.lacks_gpu / share.gpu if share.gpu else 0.0
        return math.ceil(max(self.lacks_cpu / share.cpu, of_gpu) - 1e-9)


@dataclass(frozen=True)
class Turn:
    """What a study may do until the next look.

    Attributes:
        room: trials that it may hold: those that it holds, and what is free to it.
        fair: trials that are its part of the cluster.
        lacks: trials that it lacks for its part, beside what is free.
        to_give: of its running trials, how many make room for other studies.
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
    """What a study may do beside others.

    Studies that lack room get it from those that hold more than an equal part of the cluster. A
    study that lacks nothing leaves its part to the others.

    Args:
        slots: trials that the cluster holds in all.
        reserved: trials for which the study has room.
        free: trials for which there is room that nobody holds.
        held: trials that the study has handed out.
        ready: trials that could run now, those that run among them.
        lacking: of every other study that holds or lacks room: how many trials of this study make
            room for what it lacks.
    """
    fair = max(1, math.ceil(slots / (1 + len(lacking))))
    lacks = max(0, min(ready, fair) - held - free)
    wanted = sum(lacking)
    room = min(reserved + free, fair) if wanted else reserved + free
    return Turn(room, fair, lacks, max(0, min(held - fair, wanted)), wanted > 0)


class Board:
    """The place in a Ray's own store where its drivers tell each other their claims."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._key = f"{PREFIX}{uuid4().hex}".encode()
        self._looks = 0
        # Of every other driver: its entry, and at which look it changed last.
        self._seen: dict[bytes, tuple[bytes, int]] = {}

    def tell(self, claim: Claim) -> None:
        """Tells the other drivers what this one holds and lacks."""
        # What changes with every entry shows that the driver lives; clocks of machines differ.
        entry = json.dumps(asdict(claim) | {"look": self._looks})
        store._internal_kv_put(self._key, entry, overwrite=True)

    def look(self) -> list[Claim]:
        """What the other drivers tell."""
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
        """The driver ends."""
        store._internal_kv_del(self._key)
