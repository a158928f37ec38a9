"""Checkpoints of a run: written atomically, read without running code."""

import io
import logging
import re
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from lkm_tune.training.file_store import Store, open_store

logger = logging.getLogger(__name__)

_NAME = re.compile(r"^attempt-(?P<attempt>\d+)-(?P<who>\w+)-epoch-(?P<epoch>\d+)\.pt$")


class CheckpointError(Exception):
    """A checkpoint cannot be read."""


class Checkpoints:
    """The checkpoints of one trial: `attempt-002-1f9a-epoch-00007.pt`.

    Every process that works on the trial is an attempt with separate file names, so that a worker
    that was cut off cannot overwrite the files of its successor. The newest file holds the state
    with the weights of the best epoch. The previous file also stays, in case the disk damages the
    newest.
    """

    def __init__(self, place: Store | Path | str) -> None:
        """Creates nothing before the first `save`.

        Args:
            place: the store of the trial's files, or its place for `open_store`.
        """
        self.store = open_store(place) if isinstance(place, str | Path) else place
        self._attempt: tuple[int, str] | None = None

    def newest(self, most: int = sys.maxsize) -> dict[str, Any] | None:
        """The valid state with the most epochs over all attempts, or None if there is no file.

        Args:
            most: the largest number of epochs.

        Raises:
            CheckpointError: if every file is damaged. A silent start from the beginning would be
                worse.
        """
        damaged: list[CheckpointError] = []
        for epoch, _, name in reversed(self._files()):
            if epoch > most:
                continue
            try:
                state = _read(self.store, name)
            except CheckpointError as error:
                logger.warning("%s; continuing from the previous checkpoint", error)
                damaged.append(error)
            else:
                return state
        if damaged:
            said = "; ".join(map(str, damaged))
            raise CheckpointError(f"{said}: delete them to train this trial again from its start")
        return None

    def save(self, state: dict[str, Any], epoch: int) -> None:
        """Writes `state` after `epoch` epochs; deletes all files except the newest two.

        Raises:
            OSError: if the disk is full or read-only. The earlier files remain.
        """
        before = self._files()
        if self._attempt is None:
            newest = max((attempt for _, attempt, _ in before), default=0)
            # Two workers that start at the same time have equal numbers and different names.
            self._attempt = newest + 1, uuid4().hex[:4]
        number, who = self._attempt
        name = f"attempt-{number:03d}-{who}-epoch-{epoch:05d}.pt"
        content = io.BytesIO()
        torch.save(state, content)
        self.store.write(name, content.getvalue())
        for _, attempt, old in before[:-1]:
            # Files of a later attempt stay: it took over while this worker was cut off.
            if old != name and attempt <= number:
                self.store.delete(old)

    def discard(self) -> None:
        """Deletes every checkpoint of a trial that has ended, including partial files."""
        for name in self.store.names():
            if name.startswith("attempt-"):
                self.store.delete(name)

    def _files(self) -> list[tuple[int, int, str]]:
        """Epoch, number of the attempt and name of each file, newest last."""
        matches = [match for name in self.store.names() if (match := _NAME.match(name))]
        return sorted((int(m["epoch"]), int(m["attempt"]), m.string) for m in matches)


def _read(store: Store, name: str) -> dict[str, Any]:
    try:
        content = io.BytesIO(store.read(name))
        with zipfile.ZipFile(content) as archive:
            # torch does not check the checksums.
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} is wrong")
        content.seek(0)
        return dict(torch.load(content, map_location="cpu", weights_only=True))
    except Exception as error:  # A damaged file can raise any exception.
        said = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"{store}/{name} cannot be read as a checkpoint ({type(error).__name__}: {said})"
        ) from error
