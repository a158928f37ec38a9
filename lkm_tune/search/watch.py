"""Watching a study while Tune runs it."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback


class Watch(Callback):
    """Calls a function from time to time while Tune runs, and once at the end."""

    def __init__(self, look: Callable[[], None], seconds: float) -> None:
        """`look` is called at most every so many seconds."""
        self._look = look
        self._seconds = seconds
        self._last = float("-inf")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Looks, if the last look was long enough ago."""
        now = time.monotonic()
        if now - self._last >= self._seconds:
            self._last = now
            self._look()

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Looks at the last state."""
        self._look()
