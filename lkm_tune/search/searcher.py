"""The study for Tune: a searcher that suggests its trials, alone or in arrays."""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ray.tune.search import Searcher

from lkm_tune.ledger.failure import ENDINGS, Failure, judge, parts_again, suspects
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.broken import address_of, failure_of
from lkm_tune.search.cluster.health import NodeHealth
from lkm_tune.search.cluster.room import Room
from lkm_tune.search.limits import Limits
from lkm_tune.search.planner import Array, Planner
from lkm_tune.search.search_arrays import in_parts
from lkm_tune.study import TrialSpec

logger = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""The longest wait of an attempt for nodes that are not among those that it avoids."""


class StudySearcher(Searcher):
    """Suggests the planner's trials to Tune and reports their ends to the ledger.

    Every attempt at a trial, or at an array of trials, is a separate Tune trial. A broken trial is
    suggested again, alone on a node if memory was short, on another node if the node may be broken,
    until the ledger gives it up. A broken array is suggested again as two halves, or one by one if
    its network cannot train in arrays. All state is in the ledger.
    """

    def __init__(
        self,
        planner: Planner,
        config_of: Callable[[Array, bool, Collection[str]], dict[str, Any]],
        on_end: Callable[[TrialSpec], None],
        room: Room,
        limits: Limits,
        has_started: Callable[[str], bool],
        health: NodeHealth,
        check_storage: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the parts of the driver.

        Args:
            planner: the planner of the study.
            config_of: makes the Tune config of an array, alone on its node or not, and with the
                nodes that it avoids.
            on_end: receives the end of every trial.
            room: the room of the study on its Ray. The searcher suggests no more trials than fit:
                a waiting trial would rest on fewer results, and Tune would give it the actor of the
                next ended trial while its separate actor is still starting.
            limits: the limits of the study.
            has_started: whether a Tune trial has its resources.
            health: the nodes that break trials.
            check_storage: raises an OSError if the driver cannot write into the storage folder.
            clock: returns the time in seconds.
        """
        super().__init__(metric="val_error", mode="min")
        self.planner = planner
        self.ledger: Ledger = planner.ledger
        self.limits = limits
        self._made_room: set[str] = set()
        self.ending: Exception | None = None
        self._config_of = config_of
        self._on_end = on_end
        self._live: dict[str, Array] = {}
        self._again: list[Array] = []
        self._alone: set[str] = set()
        # The attempts that avoid nodes, with the end of their patience.
        self._until: dict[str, float] = {}
        # The keys of trials that have waited in vain for another node.
        self._impatient: set[str] = set()
        self._health, self._check_storage, self._clock = health, check_storage, clock
        self._room = room
        self._has_started = has_started
        # Tune asks a hundred times a second, so the searcher remembers the ledger's state at which
        # the planner had no trial.
        self._nothing_at = -1

    def suggest(self, trial_id: str) -> Any:
        """The next trial's config; None if there is no trial now, FINISHED at the end."""
        if self.ending or self.limits.spent:
            return str(Searcher.FINISHED)
        if not self._has_room():
            return None
        if not self._again and self._nothing_at == self.ledger.changes:
            return None
        left = self.limits.left
        array = self._again.pop(0) if self._again else self.planner.take_next(left)
        if not array:
            self._nothing_at = self.ledger.changes
            # A running trial within the limit may break, and is then suggested again.
            over = self.planner.finished if left else not self._live
            return str(Searcher.FINISHED) if over else None
        failures = self.ledger.record(array[0]).failures
        alone = judge(failures) == "alone"
        waited = array[0].key in self._impatient
        avoids = self._health.avoided(() if waited else suspects(failures))
        self._impatient.discard(array[0].key)
        self._live[trial_id] = array
        if alone:
            self._alone.add(trial_id)
        if avoids:
            self._until[trial_id] = self._clock() + PATIENCE_S
        return self._config_of(array, alone, avoids)

    def overdue(self) -> list[str]:
        """Tune's names of attempts that have waited long for nodes that they do not avoid.

        Such nodes may be gone, or others may hold them. The caller stops the attempts that have no
        node yet; they are then suggested again, for every node that is not left out.
        """
        now = self._clock()
        waited = [one for one, until in self._until.items() if until <= now]
        for trial_id in waited:
            del self._until[trial_id]
        return [one for one in waited if not self._has_started(one)]

    def _has_room(self) -> bool:
        # New trials would keep every node busy, and a trial that needs a whole node would never
        # start.
        if any(not self._has_started(one) for one in self._alone):
            return False
        slots = self._room.slots(len(self._live))
        held = len(self._live) + len(self._alone) * (slots.of_a_whole - 1)
        return held < slots.all and len(self._live) < self._room.most

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Does nothing: the scheduler enters results at rungs."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tune's trial is over; `LedgerRelay` and `on_broken` have reported the ends in it."""
        self._alone.discard(trial_id)
        self._until.pop(trial_id, None)
        array = self._live.pop(trial_id, ())
        if array and trial_id in self._made_room:
            self._again.append(self._running(array))
        elif array and result is None:
            # It was overdue.
            self._impatient.add(array[0].key)
            self._again.insert(0, array)

    def ended(self, trial_id: str) -> tuple[int, ...]:
        """The places in an array whose trials have ended."""
        array = self._live.get(trial_id, ())
        return tuple(
            place for place, spec in enumerate(array) if self.ledger.record(spec).state != "running"
        )

    def end(self, spec: TrialSpec, result: dict[str, Any]) -> None:
        """A trial has ended with its last report."""
        self.ledger.end(spec, result)
        self._on_end(spec)

    def _running(self, array: Array) -> Array:
        return tuple(spec for spec in array if self.ledger.record(spec).state == "running")

    def worked(self, node: str) -> None:
        """A trial has trained an epoch on a node."""
        self._health.worked(node)

    def makes_room(self, trial_id: str) -> bool:
        """Whether a trial ends here, so that another study has its room, and goes on later."""
        if trial_id in self._alone or not self._room.takes_back():
            return False
        self._made_room.add(trial_id)
        return True

    def on_broken(self, trial_id: str, error: Exception, reported: int) -> None:
        """An attempt broke.

        Args:
            trial_id: Tune's name of the trial.
            error: the error that broke it.
            reported: the last reported epoch.
        """
        array = self._running(self._live.pop(trial_id, ()))
        if not array:
            return
        failure = replace(failure_of(error, reported), array=len(array))
        if address := address_of(error):
            failure = replace(failure, node=self._health.at(address))
        failure = self._attributed(array[0], failure)
        if failure.cause in ENDINGS:
            self.ending = ENDINGS[failure.cause](failure.reason)
            return
        # Several arrays of a model may fail before the first failure is known.
        if failure.cause == "array" and array[0].cell.model not in self.ledger.without_arrays:
            reason = failure.reason.splitlines()[-1].partition("ArrayError: ")[2]
            logger.warning("%s; its trials train one by one from now on", reason)
        verdicts = [self.ledger.break_off(spec, failure) for spec in array]
        if len(array) > 1:
            parts = in_parts(array, parts_again(self.ledger.record(array[0]).failures))
            for part in parts if len(parts) > 1 else ():
                self.ledger.train_together(part)
            self._again += parts
        elif verdicts[0] in ("again", "alone"):
            self._again.append(array)
        else:
            self._on_end(array[0])

    def _attributed(self, spec: TrialSpec, failure: Failure) -> Failure:
        """The failure of the node if another node may be sound, else that of the trial or study."""
        if failure.cause not in ("machine", *ENDINGS) or not failure.node:
            return failure
        if failure.cause == "storage":
            try:
                self._check_storage()
            except OSError as error:
                return replace(failure, reason=str(error))
        earlier = suspects(self.ledger.record(spec).failures)
        if self._health.has_other({*earlier, failure.node}):
            self._health.failed(failure.node, spec.key, failure.reason)
            return replace(failure, cause="machine")
        if failure.cause in ENDINGS:
            return failure
        # On the last node the trial counts; with failures elsewhere they count as well.
        return failure if earlier - {failure.node} else replace(failure, cause="own")
