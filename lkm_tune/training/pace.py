"""When a run writes a checkpoint: as often as it costs little."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.02
"""The largest share of the training time for checkpoints between those that must be."""


class Pace:
    """Measures the checkpoints of an attempt against the training time.

    The first moment is due, which shows what a checkpoint costs.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Starts without training.

        Args:
            clock: returns the time in seconds.
        """
        self._clock = clock
        self._trained = self._spent = self._last = 0.0

    def trained(self, seconds: float) -> None:
        """Adds the time of training."""
        self._trained += seconds

    @property
    def due(self) -> bool:
        """Whether one more checkpoint stays within `SHARE`."""
        return self._spent + self._last <= SHARE * self._trained

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measures a checkpoint."""
        begun = self._clock()
        yield
        self._last = self._clock() - begun
        self._spent += self._last
