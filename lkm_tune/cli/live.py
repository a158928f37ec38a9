"""What a running study shows: a live table on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from lkm_tune.cli.console import console, say
from lkm_tune.cli.status import cell_table, left_text
from lkm_tune.search.progress import Progress

if TYPE_CHECKING:
    from lkm_tune.search.planner import Planner

SECONDS_BETWEEN_TABLES = 0.5
SECONDS_BETWEEN_LINES = 15.0


class LiveView:
    """Shows cells, trials, best errors and the time left, every time it is asked to."""

    def __init__(self, planner: "Planner") -> None:
        """Takes hold of the terminal only as a context manager."""
        self._planner = planner
        self._started = time.monotonic()
        self._at_start = Progress.of(planner)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    @property
    def seconds(self) -> float:
        """How often showing is worth while."""
        return SECONDS_BETWEEN_TABLES if self._live else SECONDS_BETWEEN_LINES

    def show(self) -> None:
        """The present state."""
        elapsed = time.monotonic() - self._started
        progress = Progress.of(self._planner)
        left = left_text(progress.seconds_left(self._at_start, elapsed))
        line = f"{progress.ended} of {progress.planned} trials, {progress.running} running, {left}"
        if self._live:
            self._live.update(Group(cell_table(self._planner), Text(line)), refresh=True)
        else:
            say(f"{elapsed:5.0f} s: {line}")

    def __enter__(self) -> "LiveView":
        """Begins to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of the terminal."""
        if self._live:
            self._live.stop()
