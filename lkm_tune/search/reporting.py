"""Reports from a trial to the driver; short epochs are reported in batches."""

import time
from collections.abc import Sequence
from typing import Any

import ray
from ray import tune

from lkm_tune.search.broken import BrokenAttempt, failure_here

BATCH_SECONDS = 0.5
"""Time of a batch of epochs; a longer epoch is a batch by itself."""


class StudyTrainable(tune.Trainable):
    """Tune's trainable of a study: one epoch per step, on an actor that trains trials in sequence.

    The config has `rungs`, the epochs of judgement. A batch of reports ends at a rung, so that no
    epoch is trained before the judgement. Subclasses have `begin`, which begins or continues a
    trial, `step`, which reports `epoch`, and `keep`, which writes a checkpoint. Every report also
    has `node`, Ray's name of the node, and `kept`: whether another attempt goes on from this epoch.

    Attributes:
        known_epochs: number of epochs that earlier attempts trained; they are only reported again,
            in a separate batch, so that an error of this attempt does not lose them.
    """

    known_epochs = 0
    _error: Exception | None = None

    def begin(self, config: dict[str, Any]) -> None:
        """Begins or continues the trial of a config."""
        raise NotImplementedError

    def keep(self, must: bool) -> bool:
        """Writes a checkpoint after a batch, if it must be; whether the newest state is kept."""
        return True

    def leave(self, places: Sequence[int]) -> None:
        """The trials at these places of an array have ended and train no further."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begins a trial and defers its error: Ray keeps only the text of an error at the start."""
        self._error = None
        try:
            self.begin(config)
        except Exception as error:  # noqa: BLE001 - it is raised by the first step
            self._error = error

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins another trial on this actor."""
        self.setup(new_config)
        return True

    def train_buffered(
        self, buffer_time_s: float, max_buffer_length: Any = ()
    ) -> list[dict[str, Any]]:
        """Trains epochs for `BATCH_SECONDS`, or until a rung or the end.

        Args:
            buffer_time_s: ignored, since Tune passes both arguments in the wrong order.
            max_buffer_length: the places of the array whose trials have ended.

        Returns:
            The report of each epoch.

        Raises:
            BrokenAttempt: if the attempt broke.
        """
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        try:
            if self._error is not None:
                raise self._error
            self.leave(max_buffer_length)
            *before, last = self._batch()
            kept = self.keep(last["done"] or last["epoch"] in self.config["rungs"])
            reports = [*(report | {"kept": False} for report in before), last | {"kept": kept}]
            return [report | {"node": node} for report in reports]
        except Exception as error:  # noqa: BLE001 - every error is reported with its node
            broken = BrokenAttempt(failure_here(error, node, starting=error is self._error))
            # The original error may not survive the way to the driver.
            raise broken from None

    def _batch(self) -> list[dict[str, Any]]:
        begun = time.monotonic()
        reports = [self.train()]  # type: ignore[no-untyped-call]
        while not (
            reports[-1]["done"]
            or reports[-1]["epoch"] == self.known_epochs
            or reports[-1]["epoch"] in self.config["rungs"]
            or time.monotonic() - begun >= BATCH_SECONDS
        ):
            reports.append(self.train())  # type: ignore[no-untyped-call]
        return reports

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Does nothing: the trial writes its checkpoints itself."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Does nothing: see `save_checkpoint`."""
