"""The Tune callback: hands what Ray Tune tells about trials to the recorder."""

from collections.abc import Callable, Mapping
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from lkm_tune.study import TrialSpec
from lkm_tune.tracking.recorder import StudyRecorder


class MlflowCallback(Callback):
    """Records the trials of one Tune experiment.

    A trial's config holds its `TrialSpec` under `trial`. Results carry what
    `StudyRecorder.epoch` takes; the last one also `summary`, the fields of the `RunResult`.
    """

    def __init__(
        self,
        recorder: StudyRecorder,
        describe: Callable[[TrialSpec], Mapping[str, Any]],
        given_up: Callable[[TrialSpec], tuple[str, str] | None],
    ) -> None:
        """Keep all three.

        Args:
            recorder: Where trials are recorded. The caller closes it.
            describe: The config of a trial, as `StudyRecorder.start` takes it.
            given_up: Outcome and reason of a trial whose attempt broke, None if it is tried again.
        """
        self._recorder = recorder
        self._describe = describe
        self._given_up = given_up

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks, and a recorder belongs to one process."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial starts, or goes on elsewhere."""
        spec = _spec(trial)
        self._recorder.start(spec, self._describe(spec))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """An epoch is over. A trial that only reports how it had ended brings no epoch."""
        if "epoch" in result:
            self._recorder.epoch(_spec(trial), result)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial ended by itself, was stopped by the scheduler, or ends with its driver."""
        last = trial.last_result or {}
        if summary := last.get("summary"):
            self._recorder.end(_spec(trial), summary["outcome"], summary, summary.get("reason"))
        elif last.get("done"):
            # Tune marks the result at which the scheduler decided to stop.
            reason = last.get("reason", "stopped early by the scheduler")
            self._recorder.end(_spec(trial), "stopped", reason=reason)
        elif "epoch" in last:
            self._recorder.end(_spec(trial), "interrupted", reason="the study was interrupted")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """An attempt broke; the trial has ended only if it is not tried again."""
        spec = _spec(trial)
        if (ending := self._given_up(spec)) is not None:
            outcome, reason = ending
            # What broke while it was set up has never started.
            self._recorder.recall(spec, self._describe(spec), outcome, reason=reason)


def _spec(trial: Trial) -> TrialSpec:
    return TrialSpec.from_dict(trial.config["trial"])
