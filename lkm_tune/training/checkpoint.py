"""The newest state of a run, kept: written whole or not at all, read without running code."""

import io
import logging
import re
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from lkm_tune.training.store import Store, open_store

logger = logging.getLogger(__name__)

_NAME = re.compile(r"^attempt-(?P<attempt>\d+)-(?P<who>\w+)-epoch-(?P<epoch>\d+)\.pt$")


class CheckpointError(Exception):
    """A checkpoint cannot be read."""


class Checkpoints:
    """The checkpoints of one trial: `attempt-002-1f9a-epoch-00007.pt`.

    Every process that works on the trial is an attempt with names of its own, so that a worker
    that was only cut off cannot write over its successor's. One file holds the newest state, the
    weights of the best epoch among it; the one before it is kept as well, for the case that a
    disk damages the newest.
    """

    def __init__(self, place: Store | Path | str) -> None:
        """Nothing is made before the first `save`.

        Args:
            place: the trial's files, or where they lie (`open_store`).
        """
        self.store = open_store(place) if isinstance(place, str | Path) else place
        self._attempt: tuple[int, str] | None = None

    def newest(self) -> dict[str, Any] | None:
        """The whole state with the most epochs over all attempts, or None where there is no file.

        Raises:
            CheckpointError: if every file is damaged. Starting again from nothing without a word
                would be worse.
        """
        damaged: list[CheckpointError] = []
        for *_, name in reversed(self._files()):
            try:
                state = _read(self.store, name)
            except CheckpointError as error:
                logger.warning("%s; going on from the one before it", error)
                damaged.append(error)
            else:
                return state
        if damaged:
            said = "; ".join(map(str, damaged))
            raise CheckpointError(f"{said}: delete them to train this trial again from its start")
        return None

    def save(self, state: dict[str, Any], epoch: int) -> None:
        """Writes `state` after `epoch` epochs and deletes all but it and the one before.

        Raises:
            OSError: if the disk is full or read-only. What was there is there still.
        """
        before = self._files()
        if self._attempt is None:
            newest = max((attempt for _, attempt, _ in before), default=0)
            # Two workers that start at once have one number, but not one name.
            self._attempt = newest + 1, uuid4().hex[:4]
        number, who = self._attempt
        name = f"attempt-{number:03d}-{who}-epoch-{epoch:05d}.pt"
        content = io.BytesIO()
        torch.save(state, content)
        self.store.write(name, content.getvalue())
        for _, attempt, old in before[:-1]:
            # A later attempt's are not ours to delete: it took over while we were cut off.
            if old != name and attempt <= number:
                self.store.delete(old)

    def discard(self) -> None:
        """Deletes every checkpoint of the trial, once nobody will continue it; half-written too."""
        for name in self.store.names():
            if name.startswith("attempt-"):
                self.store.delete(name)

    def _files(self) -> list[tuple[int, int, str]]:
        """Epoch, number of the attempt and name of each, the newest last."""
        matches = [match for name in self.store.names() if (match := _NAME.match(name))]
        return sorted((int(m["epoch"]), int(m["attempt"]), m.string) for m in matches)


def _read(store: Store, name: str) -> dict[str, Any]:
    try:
        content = io.BytesIO(store.read(name))
        with zipfile.ZipFile(content) as archive:
            # torch itself does not look at the checksums.
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} is wrong")
        content.seek(0)
        return dict(torch.load(content, map_location="cpu", weights_only=True))
    except Exception as error:  # A damaged file can end in any.
        said = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"{store}/{name} cannot be read as a checkpoint ({type(error).__name__}: {said})"
        ) from error
