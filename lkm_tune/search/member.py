"""One trial of the ledger on a worker: its run, its files and its reports."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lkm_tune.datasets import Origin
from lkm_tune.search.printed import Printed
from lkm_tune.search.trial_files import TrialFiles
from lkm_tune.study import RunConfig
from lkm_tune.training import EpochResult, TrainingRun
from lkm_tune.training.device import device_name
from lkm_tune.training.examine import epoch_figures


class Member:
    """A trial that a worker trains, alone or as a member of an array.

    Attributes:
        files: the files of the trial.
        printed: its output.
        run: its run, after `open`.
    """

    run: TrainingRun

    def __init__(self, place: str) -> None:
        """Opens the files of the trial.

        Args:
            place: the place of the trial's files.
        """
        self.files = TrialFiles(place)
        self.printed = Printed(self.files.store)

    def open(self, run: dict[str, Any], device: str, cache: Path | None, origin: Origin) -> None:
        """Builds the run of a config as plain data."""
        self.run = TrainingRun(RunConfig.from_dict(run), device, cache, origin=origin)
        self._kept = 0

    def restore(self, state: dict[str, Any] | None) -> None:
        """Continues from a state; None for a run that begins."""
        if state is not None:
            self.run.load_state_dict(state)
        self._kept = len(self.run.history)

    @property
    def kept(self) -> bool:
        """Whether a checkpoint has the present state."""
        return self._kept == len(self.run.history)

    def save(self) -> None:
        """Writes a checkpoint."""
        self.files.checkpoints.save(self.run.state_dict(), len(self.run.history))
        self._kept = len(self.run.history)

    def report(self, result: EpochResult, diagnostics: bool) -> dict[str, Any]:
        """The report of an epoch; that of the last epoch also has the `RunResult` as `summary`.

        Args:
            result: the epoch.
            diagnostics: whether to measure the layers.
        """
        report = result.to_dict() | self._so_far(result.epoch) | {"done": False}
        newest = result.epoch == len(self.run.history)
        # The layers of a run that has diverged may be NaN.
        if diagnostics and newest and not self.run.diverged:
            report["layers"] = epoch_figures(self.run)
        if self.run.finished and newest:
            seen = report.get("layers", {})
            summary = replace(
                self.run.result(),
                layer_cka=seen.get("cka_mean"),
                layer_rank=seen.get("rank_mean"),
            )
            if summary.outcome == "complete":
                self.files.save_model(self.run)
            report |= {"summary": summary.to_dict(), "done": True}
        return report

    def _so_far(self, epoch: int) -> dict[str, Any]:
        """The summary of the trial if it ends with this epoch."""
        history = self.run.history[:epoch]
        return {
            "best_error": min(result.val_error for result in history),
            "trained_seconds": sum(result.seconds for result in history),
            "device": device_name(self.run.device),
        }
