"""Delivery: a thread that sends messages from the outbox to MLflow, in order and in batches."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

from lkm_tune.masking import masked
from lkm_tune.tracking.outbox import Message, Outbox

logger = logging.getLogger(__name__)

CHUNK = 1000
"""Number of messages between two records of the delivered offset."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two attempts while MLflow cannot be reached; each pause doubles."""


REST, LONGEST_REST = 20.0, 15.0
"""The pause after a delivery as a multiple of its time, and the longest pause in seconds. MLflow's
cost is mostly per call, so fewer and larger deliveries save processor time of the driver."""


class UnreachableError(Exception):
    """MLflow cannot be reached or is busy; the messages can be delivered later."""


class RefusedError(UnreachableError, ValueError):
    """MLflow does not take the study's runs until somebody has changed something."""


class Writer(Protocol):
    """The destination of messages."""

    is_new: bool
    """Whether the destination had nothing of the study, so that all messages must be delivered."""

    def write(self, messages: Sequence[Message]) -> list[tuple[Message, str]]:
        """Writes the messages that are not yet written.

        Returns:
            The messages that can never be written, each with the reason.

        Raises:
            UnreachableError: if some messages may not have arrived.
        """


class Delivery:
    """Delivers an outbox in a daemon thread."""

    def __init__(self, outbox: Outbox, connect: Callable[[], Writer], interval: float) -> None:
        """Starts the thread.

        Args:
            outbox: The messages.
            connect: Creates the writer; raises `UnreachableError` if that is not possible now.
            interval: Shortest time in seconds between batches.
        """
        self._outbox = outbox
        self._connect = connect
        self._interval = interval
        self._writer: Writer | None = None
        self._changed = threading.Condition()
        # The thread connects at once: it imports MLflow while trials start, notices a server that
        # is down or empty, and delivers messages of an earlier driver.
        self._hurry = True
        self._settled = False
        self._closing = False
        self._failures = 0
        self._refusal: RefusedError | None = None
        self._checked = False
        self._thread = threading.Thread(target=self._run, name="lkm-tracking", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Wakes the thread for new messages."""
        with self._changed:
            self._changed.notify_all()

    def check(self, timeout: float) -> None:
        """Wait until MLflow was reached or could not be.

        Args:
            timeout: Seconds to wait at most. A refusal that comes later is a warning.

        Raises:
            RefusedError: MLflow does not take the runs.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._writer is not None or self._failures or not self._thread.is_alive(),
                timeout,
            )
            self._checked = True
            if self._refusal is not None:
                raise self._refusal

    def flush(self, timeout: float) -> int:
        """Delivers all present messages now; if MLflow cannot be reached, it tries once.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            The number of messages that are not delivered.
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
        """Delivers all present messages (one attempt if MLflow is down) and ends the thread.

        Args:
            timeout: Longest wait in seconds.

        Returns:
            The number of messages that are not delivered; the next start delivers them.
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
            # Closing waits for one attempt only: the server may not come back.
            while not (closing and (pause or self._has_delivered(self._outbox.size))):
                closing = self._wait(max(rest, pause))
                started = time.monotonic()
                pause = self._try(pause)
                took = time.monotonic() - started
                rest = max(self._interval, min(REST * took, LONGEST_REST))
                self.notify()
        except Exception:  # noqa: BLE001 - nothing of MLflow may end a study
            logger.error(  # noqa: TRY400 - an address with a password may be part of the trace
                "The delivery to MLflow stopped with an unexpected error. Training goes on; the "
                "messages stay in %s and the next start delivers them.\n%s",
                self._outbox.path,
                masked(traceback.format_exc()),
            )
        finally:
            self.notify()

    def _wait(self, seconds: float) -> bool:
        """Waits for messages, then `seconds` for more; returns whether to close."""
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
        """Delivers all present messages; returns the pause before the next attempt."""
        try:
            self._drain()
        except UnreachableError as error:
            self._note_failure(error, first=not pause)
            return min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
        if pause:
            logger.warning("MLflow can be written again; the kept messages are delivered.")
        self._settled = True
        self._refusal = None
        return 0.0

    def _note_failure(self, error: UnreachableError, first: bool) -> None:
        with self._changed:
            self._writer = None
            self._failures += 1
            refusal = error if isinstance(error, RefusedError) else None
            new, self._refusal = refusal and not self._refusal, refusal
            # Who waits in `check` raises it.
            if not (first or new) or (refusal and not self._checked):
                return
        logger.warning(
            "MLflow cannot be written: %s. Training goes on; the messages are kept in %s.",
            error,
            self._outbox.path,
        )

    def _drain(self) -> None:
        if self._writer is None:
            writer = self._connect()
            if writer.is_new:
                self._outbox.mark_delivered(0)
            self._writer = writer
            self.notify()
        while True:
            messages, offset = self._outbox.read(CHUNK)
            if not messages:
                return
            refused = self._writer.write(messages)
            if refused:
                logger.warning(
                    "MLflow refused %d messages, the first because: %s. They are kept next to %s.",
                    len(refused),
                    refused[0][1],
                    self._outbox.path,
                )
                self._outbox.reject(refused)
            self._outbox.mark_delivered(offset)
            self.notify()
