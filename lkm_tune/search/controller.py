"""Tune's loop over trials, without the records that the ledger replaces."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Experiment
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher, SearchGenerator
from ray.tune.utils.log import set_verbosity

from lkm_tune.search.cluster.room import Room

# The searcher limits the number of trials, and the trial limits the reports of a batch.
UNBOUNDED = 1000

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and the signal of container engines and of schedulers of jobs."""

OnBroken = Callable[[str, Exception, int], None]
Places = tuple[int, ...]


class ActorClasses(_ActorClassCache):
    """Actors with the environment of their node.

    Tune's class passes the driver's AWS keys to actors, and Ray writes them into its logs.
    """

    def get(self, trainable_cls: type[tune.Trainable]) -> Any:
        """The actor class of a trainable, created once."""
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]


class StudyController(TuneController):
    """A Tune controller without records: the ledger has them.

    Tune's entry point writes the state of every trial as JSON at the end (10 to 20 ms each) and
    waits up to six seconds for actors that have nothing to save.
    """

    def __init__(
        self,
        on_broken: OnBroken,
        room: Room | None,
        overdue: Callable[[], Sequence[str]],
        ended: Callable[[str], Places],
        **settings: Any,
    ) -> None:
        """Creates Tune's controller with `ActorClasses`.

        Args:
            on_broken: receives every broken attempt before the searcher.
            room: the room of the study on its Ray; None if the study uses the whole Ray.
            overdue: returns Tune's names of trials that end if they have no node yet.
            ended: Tune's name of a trial -> the places in its array whose trials have ended.
            settings: arguments of Tune's controller.
        """
        super().__init__(**settings)
        self._on_broken = on_broken
        self._overdue, self._ended = overdue, ended
        self._room = room
        if room:
            room.reserved = self._reserved
        self._class_cache = ActorClasses()  # type: ignore[no-untyped-call]

    def checkpoint(self, force: bool = False, wait: bool = False) -> None:
        """Does nothing: a study continues from the ledger."""

    def cleanup(self) -> None:
        """Ends the actors at once: their results are in their checkpoints."""
        self._actor_manager.cleanup()  # type: ignore[no-untyped-call]
        self.end_experiment_callbacks()

    def on_step_begin(self) -> None:
        """Ends the trials that have waited too long for a node."""
        super().on_step_begin()  # type: ignore[no-untyped-call]
        for trial_id in self._overdue():
            trial = self.get_trial(trial_id)  # type: ignore[no-untyped-call]
            actor = self._trial_to_actor.get(trial)
            if actor is None or not self._actor_manager.is_actor_started(actor):
                if trial in self._staged_trials:
                    self._unstage_trial_with_resources(trial)
                self.stop_trial(trial)  # type: ignore[no-untyped-call]

    def _update_trial_queue(self, blocking: bool = False, timeout: int = 1) -> bool:
        # Without nodes, Tune would wait ten minutes for a trial and ignore Ctrl-C.
        return bool(super()._update_trial_queue(blocking, timeout))

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        # Tune would end the actor that is starting for this trial and give the trial the actor of
        # an ended trial. If trials are shorter than a start, most of a cluster would stay empty.
        own = self._trial_to_actor.get(trial)
        if own is not None and self._actor_manager.is_actor_started(own):
            return False
        return bool(super()._maybe_reuse_cached_actor(trial))

    def _reserved(self) -> list[Mapping[str, float]]:
        """The bundles of all trials and idle actors for which Ray has made room."""
        manager: Any = self._actor_manager._resource_manager
        waiting = manager._pg_to_staging_future
        requests = [one for group, one in manager._pg_to_request.items() if group not in waiting]
        return [bundle for one in requests for bundle in one.bundles]

    def _cleanup_cached_actors(self, force_all: bool = False) -> None:
        # Tune keeps an idle actor for the next trial, with its share of the cluster.
        idle = self._actor_cache.num_cached_objects and self._room and self._room.crowded
        super()._cleanup_cached_actors(force_all=force_all or bool(idle))

    def _process_trial_failure(self, trial: Any, exception: Any) -> None:
        # Tune passes the error to no callback, and writes only some errors into files.
        self._on_broken(trial.trial_id, exception, (trial.last_result or {}).get("epoch", 0))
        super()._process_trial_failure(trial, exception)

    def _maybe_buffer_training(self, trial: Any) -> tuple[int, Any]:
        # Tune passes both to `train_buffered`, which needs no bound of time.
        return UNBOUNDED, self._ended(trial.trial_id)


def run_trials(
    trainable: type[tune.Trainable],
    searcher: Searcher,
    scheduler: TrialScheduler,
    callbacks: Sequence[tune.Callback],
    on_broken: OnBroken,
    scratch: Path,
    room: Room | None = None,
    overdue: Callable[[], Sequence[str]] = list,
    ended: Callable[[str], Places] = lambda trial_id: (),
) -> bool:
    """Runs trials until the searcher has no more, or the user interrupts.

    Args:
        trainable: the class that trains a trial.
        searcher: suggests the trials.
        scheduler: stops trials early.
        callbacks: Tune callbacks.
        on_broken: receives every broken attempt: Tune's name of the trial, the error, and the last
            reported epoch.
        scratch: the folder of Tune's files, which are not used.
        room: the room of the study on its Ray; None if the study uses the whole Ray.
        overdue: returns Tune's names of trials that end if they have no node yet.
        ended: Tune's name of a trial -> the places in its array whose trials have ended.

    Returns:
        Whether the user, or a scheduler of jobs, interrupted.
    """
    set_verbosity(0)
    experiment = Experiment(
        scratch.name, trainable, num_samples=sys.maxsize, storage_path=str(scratch)
    )
    trials = SearchGenerator(searcher)
    trials.add_configurations([experiment])
    controller = StudyController(
        on_broken,
        room,
        overdue,
        ended,
        search_alg=trials,
        scheduler=scheduler,
        callbacks=list(callbacks),
        reuse_actors=True,
        storage=experiment.storage,
    )
    controller.update_max_pending_trials(UNBOUNDED)
    controller.setup_experiments([experiment], total_num_samples=trials.total_samples)
    with _interrupt() as interrupted:
        try:
            while not (
                interrupted.is_set() or controller.is_finished()  # type: ignore[no-untyped-call]
            ):
                controller.step()  # type: ignore[no-untyped-call]
        finally:
            controller.cleanup()
    return interrupted.is_set()


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second signal has its usual effect."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        restore()

    for number in STOPPING:
        signal.signal(number, interrupt)
    try:
        yield interrupted
    finally:
        restore()
