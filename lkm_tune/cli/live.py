"""What a running study shows: a live table on a terminal, plain lines elsewhere."""

import time
from typing import Any

from ray.tune import Callback
from rich.console import Group
from rich.live import Live
from rich.text import Text

from lkm_tune.cli.console import console
from lkm_tune.cli.status import cell_table, left_text
from lkm_tune.search.engine import Engine
from lkm_tune.search.progress import Progress

SECONDS_BETWEEN_VIEWS = 0.5
SECONDS_BETWEEN_LINES = 15.0


class LiveView(Callback):
    """Shows cells, trials, best errors and the time left while Tune runs."""

    def __init__(self, engine: Engine) -> None:
        """Watches the ledger of `engine`."""
        self._engine = engine
        self._started = time.monotonic()
        self._shown = float("-inf")
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._at_start = Progress.of(engine.planner)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks, and a view belongs to one terminal."""
        return {}

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Begins to show."""
        if self._live:
            self._live.start()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Shows the present state, not more often than anyone can read."""
        now = time.monotonic()
        wait = SECONDS_BETWEEN_VIEWS if self._live else SECONDS_BETWEEN_LINES
        if now - self._shown < wait:
            return
        self._shown = now
        self._show(now)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Shows the last state and lets go of the terminal."""
        self._show(time.monotonic())
        if self._live:
            self._live.stop()

    def _show(self, now: float) -> None:
        progress = Progress.of(self._engine.planner)
        left = left_text(progress.seconds_left(self._at_start, now - self._started))
        line = f"{progress.ended} of {progress.planned} trials, {progress.running} running, {left}"
        if self._live:
            self._live.update(Group(cell_table(self._engine.planner), Text(line)), refresh=True)
        else:
            console.print(f"{now - self._started:5.0f} s: {line}")
