"""The hours that a study has spent and the nodes of its trials, on disk, over all its drivers."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray.tune import Callback

from lkm_tune.files import write_text
from lkm_tune.ledger.use import STARTING, Use

# A killed driver loses the hours since its last write.
SECONDS_BETWEEN_WRITES = 5.0


class Meter(Callback):
    """A Tune callback that measures the resources of trials over time."""

    def __init__(
        self,
        path: Path,
        nodes: Callable[[], Mapping[str, Mapping[str, float]]],
        clock: Callable[[], float] = time.monotonic,
        waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        """Continues from the hours of earlier drivers.

        Args:
            path: the file that keeps the hours.
            nodes: returns the present nodes by address, with their `of_cpu` and `of_gpu`.
            clock: returns the time in seconds.
            waiting: whether the study waits for room on its Ray: this time is not spent.
        """
        self.spent = Use.read(path).spent
        self._path = path
        self._present = nodes
        self._clock = clock
        self._waiting = waiting
        self._now = self._written = clock()
        self._held: dict[str, dict[str, Any]] = {}

    def has_started(self, trial_id: str) -> bool:
        """Whether a Tune trial has its resources."""
        return trial_id in self._held

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial holds its share from this moment."""
        self._tick()
        self._held[trial.trial_id] = {**trial.config["holds"], "node": STARTING}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A result contains the node of the trial."""
        if trial.trial_id in self._held:
            self._held[trial.trial_id]["node"] = result.get("node_ip", "unknown")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has released its share."""
        self._tick()
        self._held.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A broken trial has released its share."""
        self.on_trial_complete(iteration, trials, trial)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Writes the hours periodically."""
        self._tick()
        if self._now - self._written >= SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Writes the present state."""
        self._written = self._now
        use = Use(self.spent, self._nodes(), time.time(), self._waiting())
        write_text(self._path, json.dumps(asdict(use)))

    def _tick(self) -> None:
        now = self._clock()
        hours = (now - self._now) / 3600
        self._now = now
        if self._held or not self._waiting():
            self.spent.wall += hours
        self.spent.cpu += hours * sum(held["cpu"] for held in self._held.values())
        self.spent.gpu += hours * sum(held["gpu"] for held in self._held.values())

    def _nodes(self) -> dict[str, dict[str, float]]:
        nothing = {"trials": 0.0, "cpu": 0.0, "gpu": 0.0}
        nodes = {name: {**nothing, **whole} for name, whole in self._present().items()}
        for held in self._held.values():
            node = nodes.setdefault(held["node"], dict(nothing))
            node["trials"] += 1
            node["cpu"] += held["cpu"]
            node["gpu"] += held["gpu"]
        return nodes
