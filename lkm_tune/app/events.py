"""What a function of this room reports while it works."""

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
    """`progress` is called at most once in this time."""

    def remark(self, text: str) -> None:
        """Something to know that is no error, in a sentence."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Surrounds the time in which trials run and `progress` is called."""
        yield

    def progress(self, progress: "StudyProgress") -> None:
        """How far a running study is."""

    def report(self, report: "TransferReport") -> None:
        """The report of a study is made; MLflow may still be receiving its last records."""

    def epoch(self, epoch: "EpochResult", unit: str) -> None:
        """An epoch of `train_run` has ended; its errors are in `unit`."""
