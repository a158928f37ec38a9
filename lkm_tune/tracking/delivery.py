"""Delivery: a thread that takes messages from the outbox to MLflow, in order and in batches."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from lkm_tune.tracking.outbox import Message, Outbox

logger = logging.getLogger(__name__)

CHUNK = 1000
"""How many messages are delivered between two notes of how far delivery is."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two attempts while MLflow cannot be reached; each pause doubles the last."""


REST, LONGEST_REST = 20.0, 15.0
"""How many times as long as a delivery took the thread rests before the next, and at most how
many seconds. MLflow's cost is mostly one per call, so that rarer deliveries of more messages
leave the driver its processor."""


class UnreachableError(Exception):
    """MLflow could not be reached or was busy; the same messages may be delivered later."""


class Writer(Protocol):
    """Whoever puts messages where they belong."""

    is_new: bool
    """Whether nothing of the study was there, so that everything has to be delivered."""

    def write(self, messages: Sequence[Message]) -> list[tuple[Message, str]]:
        """Put messages in their places, those already there not again.

        Returns:
            The messages that can never be taken, each with the reason.

        Raises:
            UnreachableError: Some messages may not have arrived.
        """


class Delivery:
    """Delivers an outbox in a daemon thread while the caller goes on."""

    def __init__(self, outbox: Outbox, connect: Callable[[], Writer], interval: float) -> None:
        """Start the thread.

        Args:
            outbox: The messages.
            connect: Makes the writer; raises `UnreachableError` when that is not possible now.
            interval: Seconds over which messages are gathered into batches, at least.
        """
        self._outbox = outbox
        self._connect = connect
        self._interval = interval
        self._writer: Writer | None = None
        self._changed = threading.Condition()
        # The thread connects at once: MLflow is imported while trials start, one that cannot be
        # reached or lost everything is noticed, and what an earlier driver left is delivered.
        self._hurry = True
        self._settled = False
        self._closing = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="lkm-tracking", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There are new messages."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout: float) -> int:
        """Deliver now what is there; tried once while MLflow cannot be reached.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            How many messages are still not delivered.
        """
        target = self._outbox.size
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            failures = self._failures
            self._changed.wait_for(
                lambda: (
                    self._has_delivered(target)
                    or self._failures > failures
                    or not self._thread.is_alive()
                ),
                timeout,
            )
        return self._outbox.pending()

    def close(self, timeout: float) -> int:
        """Deliver what is there, try once when MLflow is down, and end.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            How many messages are not delivered; the next start delivers them.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return self._outbox.pending()

    def _run(self) -> None:
        pause = 0.0
        rest = self._interval
        closing = False
        try:
            # Closing waits for one attempt, not for a server that does not come back.
            while not (closing and (pause or self._has_delivered(self._outbox.size))):
                closing = self._wait(max(rest, pause))
                started = time.monotonic()
                pause = self._try(pause)
                took = time.monotonic() - started
                rest = max(self._interval, min(REST * took, LONGEST_REST))
                self.notify()
        except Exception:
            logger.exception(
                "The delivery to MLflow ended with an error of its own. Training goes on; the "
                "messages stay in %s and the next start delivers them.",
                self._outbox.path,
            )
        finally:
            self.notify()

    def _wait(self, seconds: float) -> bool:
        """Wait for messages, then these seconds for more; returns whether to close."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._in_haste() or not self._has_delivered(self._outbox.size)
            )
            self._changed.wait_for(self._in_haste, seconds)
            self._hurry = False
            return self._closing

    def _in_haste(self) -> bool:
        return self._hurry or self._closing

    def _has_delivered(self, target: int) -> bool:
        return self._settled and self._outbox.offset >= target

    def _try(self, pause: float) -> float:
        """Deliver everything that is there; returns the pause before the next attempt."""
        try:
            self._drain()
        except UnreachableError as error:
            self._writer = None
            self._failures += 1
            if not pause:
                logger.warning(
                    "MLflow cannot be written: %s. Training goes on; the messages are kept in %s.",
                    error,
                    self._outbox.path,
                )
            return min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
        if pause:
            logger.warning("MLflow can be written again; what was kept is delivered.")
        self._settled = True
        return 0.0

    def _drain(self) -> None:
        if self._writer is None:
            self._writer = self._connect()
            if self._writer.is_new:
                self._outbox.mark_delivered(0)
        while True:
            messages, offset = self._outbox.read(CHUNK)
            if not messages:
                return
            refused = self._writer.write(messages)
            if refused:
                logger.warning(
                    "MLflow refused %d messages, the first because: %s. They are kept beside %s.",
                    len(refused),
                    refused[0][1],
                    self._outbox.path,
                )
                self._outbox.reject(refused)
            self._outbox.mark_delivered(offset)
            self.notify()
