"""Periodic calls while Tune runs a study."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback


class Watch(Callback):
    """Calls a function periodically while Tune runs, and once at the end."""

    def __init__(self, look: Callable[[], None], seconds: float) -> None:
        """Calls `look` at most once in `seconds`."""
        self._look = look
        self._seconds = seconds
        self._last = float("-inf")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Calls the function if the last call was long enough ago."""
        now = time.monotonic()
        if now - self._last >= self._seconds:
            self._last = now
            self._look()

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Calls the function for the last state."""
        self._look()
