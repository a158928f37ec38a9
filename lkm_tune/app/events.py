"""Reports of running functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lkm_tune.app.progress import StudyProgress
    from lkm_tune.training import EpochResult
    from lkm_tune.transfer import TransferReport


class Events:
    """Receives remarks and progress. This class ignores them: override the methods of interest."""

    seconds_between_progress = 15.0
    """Shortest time between two calls of `progress`."""

    def remark(self, text: str) -> None:
        """Receives a note that is no error, in a sentence."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A context around the time of trials, in which `progress` is called."""
        yield

    def progress(self, progress: "StudyProgress") -> None:
        """Receives the progress of a running study."""

    def report(self, report: "TransferReport") -> None:
        """Receives the report of a study; MLflow may still lack the last records."""

    def epoch(self, epoch: "EpochResult", unit: str) -> None:
        """Receives an epoch of `train_run`, with errors in `unit`."""

    def epoch_of(self, gamma: float, epoch: "EpochResult", unit: str) -> None:
        """Receives an epoch of one γ of `train_gammas`, with errors in `unit`."""
