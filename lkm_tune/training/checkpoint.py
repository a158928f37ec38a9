"""The newest state of a run on disk: written whole or not at all, read without running code."""

import logging
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)

_NAME = re.compile(r"^epoch-(\d+)\.pt$")


class CheckpointError(Exception):
    """A checkpoint cannot be read."""


class Checkpoints:
    """The checkpoints of one trial: `FOLDER/attempt-002/epoch-0007.pt`.

    Every process that works on the trial is an attempt with a folder of its own, so that a worker
    that was only cut off cannot write into its successor's. One file holds the newest state, the
    weights of the best epoch among it; the one before it is kept as well, for the case that a
    disk damages the newest.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is made on disk before the first `save`."""
        self.folder = folder
        self._attempt: Path | None = None

    def newest(self) -> dict[str, Any] | None:
        """The whole state with the most epochs over all attempts, or None where there is no file.

        Raises:
            CheckpointError: if every file is damaged. Starting again from nothing without a word
                would be worse.
        """
        damaged: list[CheckpointError] = []
        for path in reversed(self._files()):
            try:
                state = _read(path)
            except CheckpointError as error:
                logger.warning("%s; going on from the one before it", error)
                damaged.append(error)
            else:
                return state
        if damaged:
            said = "; ".join(map(str, damaged))
            raise CheckpointError(
                f"{said}: delete {self.folder} to train this trial again from its start"
            )
        return None

    def save(self, state: dict[str, Any], epoch: int) -> None:
        """Writes `state` after `epoch` epochs and deletes all but it and the one before.

        Raises:
            OSError: if the disk is full or read-only. What was there is there still.
        """
        before = self._files()
        attempt = self.own_attempt()
        path = attempt / f"epoch-{epoch:05d}.pt"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            # What torch says about a full disk does not say that it is full.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                raise
            raise OSError(cause.errno, f"{path} could not be written: {cause.strerror}") from error
        part.replace(path)
        for old in before[:-1]:
            # A later attempt's are not ours to delete: it took over while we were cut off.
            if old != path and old.parent.name <= attempt.name:
                old.unlink(missing_ok=True)

    def discard(self) -> None:
        """Deletes every checkpoint of the trial, once nobody will continue it."""
        for attempt in self.folder.glob("attempt-*"):
            shutil.rmtree(attempt, ignore_errors=True)

    def own_attempt(self) -> Path:
        """The folder that this process alone writes to, made when it is first asked for."""
        if self._attempt is None:
            numbers = [int(path.name.removeprefix("attempt-")) for path in self._attempts()]
            self._attempt = self.folder / f"attempt-{max(numbers, default=0) + 1:03d}"
            # Not exist_ok: two workers that start at once must not share a folder.
            self._attempt.mkdir(parents=True)
        return self._attempt

    def _files(self) -> list[Path]:
        found = []
        for path in self.folder.glob("attempt-*/epoch-*.pt"):
            match = _NAME.match(path.name)
            if match:
                found.append((int(match.group(1)), path.parent.name, path))
        return [path for *_, path in sorted(found)]

    def _attempts(self) -> list[Path]:
        return sorted(self.folder.glob("attempt-*"))


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            # torch itself does not look at the checksums.
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} is wrong")
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # A damaged file can end in any.
        said = (str(error).splitlines() or [""])[0]
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}: {said})"
        ) from error
