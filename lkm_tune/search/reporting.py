"""How a trial speaks with the driver: epochs that are over in an instant are reported together."""

import time
from typing import Any

from ray import tune

BATCH_SECONDS = 0.5
"""For how long a trial gathers epochs before it reports them; one that takes longer goes alone."""


class StudyTrainable(tune.Trainable):
    """What Tune runs for a study: one epoch a step, on an actor that goes on to the next trial.

    The config has `rungs`, the epochs after which the trial may be stopped: a batch of reports
    ends there, so that nothing is trained before the judgement is known. Subclasses have `begin`,
    which begins or continues a trial, and `step`, which reports `epoch`.

    Attributes:
        known_epochs: so many epochs were trained by earlier attempts and are only reported again.
            They are a batch of their own: what breaks this attempt does not take them along.
    """

    known_epochs = 0
    _error: Exception | None = None

    def begin(self, config: dict[str, Any]) -> None:
        """Begins or continues the trial of a config."""
        raise NotImplementedError

    def setup(self, config: dict[str, Any]) -> None:
        """Begins a trial. Its error waits: of what an actor's start raises, Ray keeps the text."""
        self._error = None
        try:
            self.begin(config)
        except Exception as error:  # noqa: BLE001 - it is raised by the first step
            self._error = error

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Makes this actor go on with another trial."""
        self.setup(new_config)
        return True

    def train_buffered(
        self, buffer_time_s: float, max_buffer_length: int = 1000
    ) -> list[dict[str, Any]]:
        """Trains epochs for `BATCH_SECONDS`, or until a rung or the end is reached.

        Args:
            buffer_time_s: not looked at, since Tune gives both arguments in the wrong order.
            max_buffer_length: not looked at.

        Returns:
            The report of each.
        """
        if self._error is not None:
            raise self._error
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
        """Nothing: checkpoints are the trial's own and not Tune's."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""
