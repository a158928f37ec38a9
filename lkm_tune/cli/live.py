"""The progress of a running study: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from lkm_tune.app import Events
from lkm_tune.cli.console import console, say
from lkm_tune.cli.report import show_report
from lkm_tune.cli.status import cell_table

if TYPE_CHECKING:
    from lkm_tune.app import StudyProgress, TransferReport

SECONDS_BETWEEN_TABLES = 0.5
SECONDS_BETWEEN_LINES = 15.0


class TerminalEvents(Events):
    """Writes remarks and progress to the console."""

    def __init__(self) -> None:
        """Uses the terminal only while `watching`."""
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.seconds_between_progress = (
            SECONDS_BETWEEN_TABLES if self._live else SECONDS_BETWEEN_LINES
        )

    def remark(self, text: str) -> None:
        """A line."""
        say(text)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Shows a live table if there is a terminal."""
        if self._live is None:
            yield
            return
        with self._live:
            yield

    def progress(self, progress: "StudyProgress") -> None:
        """Shows the table and a line under it; without a terminal, only the line."""
        left = left_text(progress.seconds_left, progress.next_look)
        now = "waiting for room" if progress.waiting else f"{progress.running} running"
        line = f"{progress.ended} of {progress.planned} trials, {now}, {left}"
        if self._live:
            self._live.update(Group(cell_table(progress.cells), Text(line)), refresh=True)
        else:
            say(f"{progress.elapsed:5.0f} s: {line}")

    def report(self, report: "TransferReport") -> None:
        """The answer."""
        show_report(report)


def left_text(seconds: float | None, next_look: int | None) -> str:
    """The time until the next look at the results, which may add trials, or to the end."""
    until = f"until the look at {next_look} seeds" if next_look else "left"
    if seconds is None:
        return f"time {until} unknown"
    minutes = seconds / 60
    if minutes < 1:
        return f"less than a minute {until}"
    time = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
    return f"about {time} {until}"
