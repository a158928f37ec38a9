"""The complete state of a training run, for an exact continuation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lkm_tune.study import RunConfig
from lkm_tune.training.checkpoint import Checkpoints
from lkm_tune.training.run_result import EpochResult

if TYPE_CHECKING:
    from lkm_tune.training.training_run import TrainingRun


def state_of(run: "TrainingRun") -> dict[str, Any]:
    """The state of a run as tensors and plain data."""
    return {
        "config": run.config.to_dict(),
        "model": run.model.state_dict(),
        "mixing": run.mixing.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "schedule": run.schedule.state_dict(),
        "order": run.batches.order.get_state(),
        "history": [epoch.to_dict() for epoch in run.history],
        "best_epoch": run.best_epoch,
        "best_error": run.best_error,
        "best_weights": run.best_weights,
        "diverged": run.diverged,
        "diagnostics_seconds": run.diagnostics_seconds,
    }


def has_ended(state: dict[str, Any]) -> bool:
    """Whether the run of a state has spent its budget or diverged."""
    budget = state["config"]["training"]["epochs"]
    return bool(state["diverged"]) or len(state["history"]) >= budget


def newest_together(trials: Sequence[Checkpoints]) -> list[dict[str, Any] | None]:
    """The newest states of trials that go on together: those that have not ended are equally old.

    A kill may lie between the checkpoints of two trials.

    Returns:
        The state of each trial; None for a start from the beginning.

    Raises:
        CheckpointError: if every checkpoint of a trial is damaged.
    """
    states = [trial.newest() for trial in trials]
    while True:
        epochs = {
            k: len(state["history"]) if state else 0
            for k, state in enumerate(states)
            if not (state and has_ended(state))
        }
        lowest = min(epochs.values(), default=0)
        older = [k for k, epoch in epochs.items() if epoch > lowest]
        if not older:
            return states
        for k in older:
            states[k] = trials[k].newest(lowest)


def restore(run: "TrainingRun", state: dict[str, Any]) -> None:
    """The inverse of `state_of`.

    Raises:
        ValueError: if the state belongs to another config.
    """
    if RunConfig.from_dict(state["config"]) != run.config:
        raise ValueError(
            f"a state continues only its own run: its config is {state['config']}, "
            f"but the config of this run is {run.config.to_dict()}"
        )
    run.model.load_state_dict(state["model"])
    # Studies of earlier versions have nothing to load here.
    run.mixing.load_state_dict(state.get("mixing", {}))
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.schedule.load_state_dict(state["schedule"])
    run.batches.order.set_state(state["order"].cpu())
    run.history = [EpochResult(**epoch) for epoch in state["history"]]
    run.best_epoch, run.best_error = state["best_epoch"], state["best_error"]
    run.best_weights = state["best_weights"]
    run.diverged = state["diverged"]
    run.diagnostics_seconds = state.get("diagnostics_seconds", 0.0)
