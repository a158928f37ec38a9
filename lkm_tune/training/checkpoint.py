"""The newest state of a run on disk: written whole or not at all, read without running code."""

import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import torch

_NAME = re.compile(r"^epoch-(\d+)\.pt$")


class CheckpointError(Exception):
    """A checkpoint cannot be read."""


class Checkpoints:
    """The checkpoints of one trial: `FOLDER/attempt-002/epoch-0007.pt`.

    Every process that works on the trial is an attempt with a folder of its own, so that a worker
    that was only cut off cannot write into its successor's. One file holds the newest state, the
    weights of the best epoch among it; the one before is deleted when the next is safely written.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is made on disk before the first `save`."""
        self.folder = folder
        self._attempt: Path | None = None

    def newest(self) -> dict[str, Any] | None:
        """The state with the most epochs over all attempts, or None where there is none.

        Raises:
            CheckpointError: if the file is damaged. Starting again from nothing without a word
                would be worse.
        """
        files = self._files()
        if not files:
            return None
        path = files[-1]
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{path} cannot be read as a checkpoint ({error}); delete it to train this "
                "trial again from its start"
            ) from error
        return dict(state)

    def save(self, state: dict[str, Any], epoch: int) -> None:
        """Writes `state` after `epoch` epochs and deletes the ones it replaces."""
        before = self._files()
        attempt = self._own_attempt()
        path = attempt / f"epoch-{epoch:05d}.pt"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        for old in before:
            # A later attempt's are not ours to delete: it took over while we were cut off.
            if old != path and old.parent.name <= attempt.name:
                old.unlink(missing_ok=True)

    def discard(self) -> None:
        """Deletes every checkpoint of the trial, once nobody will continue it."""
        for attempt in self.folder.glob("attempt-*"):
            shutil.rmtree(attempt, ignore_errors=True)

    def _files(self) -> list[Path]:
        found = []
        for path in self.folder.glob("attempt-*/epoch-*.pt"):
            match = _NAME.match(path.name)
            if match:
                found.append((int(match.group(1)), path.parent.name, path))
        return [path for *_, path in sorted(found)]

    def _own_attempt(self) -> Path:
        if self._attempt is None:
            numbers = [int(path.name.removeprefix("attempt-")) for path in self._attempts()]
            self._attempt = self.folder / f"attempt-{max(numbers, default=0) + 1:03d}"
            # Not exist_ok: two workers that start at once must not share a folder.
            self._attempt.mkdir(parents=True)
        return self._attempt

    def _attempts(self) -> list[Path]:
        return sorted(self.folder.glob("attempt-*"))
