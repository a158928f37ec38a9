"""The trainable of a trial: one epoch per step, on an actor that trains trials in sequence."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lkm_tune.cache import settle_folders
from lkm_tune.datasets import Origin
from lkm_tune.search.cluster.node_use import NodeUse
from lkm_tune.search.cluster.nodes import check_package, check_place
from lkm_tune.search.printed import Printed
from lkm_tune.search.reporting import StudyTrainable
from lkm_tune.search.trial_files import TrialFiles
from lkm_tune.study import RunConfig
from lkm_tune.training import EpochResult, TrainingRun
from lkm_tune.training.device import device_name
from lkm_tune.training.examine import epoch_figures
from lkm_tune.training.pace import Pace


class LkmTrainable(StudyTrainable):
    """Trains the run of a trial, from its newest checkpoint of any attempt.

    The config has `run` (a `RunConfig` as plain data), `files` (the place of the trial's files,
    equal on every node), `place` (the place of all trials' files) with the driver's `mark`,
    `package` (the digest of the driver's package), `folder` (where relative paths of data start),
    `digest` (of the data file, or None), `cache` (the folder of prepared data on a node, or None),
    `threads`, `holds` (the `cpu` and `gpu` of the trial), `rungs`, `system_metrics` (whether to
    report the load of the node), `diagnostics` (whether to report figures of the layers) and
    `trial` (for the driver).

    The run writes its checkpoints itself, under the trial's identity, so that the next attempt
    finds them: at each rung, at the end, and between them at the `Pace` of its costs.

    A continued trial first reports its known epochs without training. So a driver that was killed
    between a result and its judgement still judges it.
    """

    def begin(self, config: dict[str, Any]) -> None:
        """Begins or continues the trial."""
        check_package(config["package"])
        # The check at the start did not include nodes that joined later.
        check_place(config["place"], config["mark"])
        self._files = TrialFiles(config["files"])
        self._printed = Printed(self._files.store)
        with self._printed.captured():
            self._build(config)

    def _build(self, config: dict[str, Any]) -> None:
        # Relative paths in this node's environment start at the folder where its Ray started.
        settle_folders(Path(os.environ.get("TUNE_ORIG_WORKING_DIR", os.getcwd())))
        # The number of threads is fixed, or results would depend on the machine.
        torch.set_num_threads(config["threads"])
        cache = Path(config["cache"]) if config["cache"] else None
        device = _device(config["holds"]["gpu"])
        origin = Origin(Path(config["folder"]), config["digest"])
        self._run = TrainingRun(RunConfig.from_dict(config["run"]), device, cache, origin=origin)
        state = self._files.checkpoints.newest()
        if state is not None:
            self._run.load_state_dict(state)
        self.known_epochs = self._kept = len(self._run.history)
        self._pace = Pace()
        self._results = self._epochs()
        self._node = NodeUse() if config["system_metrics"] else None

    def step(self) -> dict[str, Any]:
        """Trains one epoch; the report of the last epoch also has the `RunResult` as `summary`."""
        with self._printed.captured():
            return self._train()

    def _train(self) -> dict[str, Any]:
        result = next(self._results)
        report = result.to_dict() | self._so_far(result.epoch) | {"done": False}
        if self._node is not None:
            report["system"] = self._node.read()
        if self.config["diagnostics"] and result.epoch == len(self._run.history):
            report["layers"] = epoch_figures(self._run)
        if self._run.finished and result.epoch == len(self._run.history):
            seen = report.get("layers", {})
            summary = replace(
                self._run.result(),
                layer_cka=seen.get("cka_mean"),
                layer_rank=seen.get("rank_mean"),
            )
            if summary.outcome == "complete":
                self._files.save_model(self._run)
            report |= {"summary": summary.to_dict(), "done": True}
        return report

    def _epochs(self) -> Iterator[EpochResult]:
        yield from list(self._run.history)
        for result in self._run.epochs():
            self._pace.trained(result.seconds)
            yield result

    def keep(self, must: bool) -> bool:
        """Writes a checkpoint if it must be, or costs little."""
        epoch = len(self._run.history)
        if epoch > self._kept and (must or self._pace.due):
            with self._pace.saving(), self._printed.captured():
                self._files.checkpoints.save(self._run.state_dict(), epoch)
            self._kept = epoch
        return epoch == self._kept

    def _so_far(self, epoch: int) -> dict[str, Any]:
        """The summary of the trial if it ends with this epoch."""
        history = self._run.history[:epoch]
        return {
            "best_error": min(result.val_error for result in history),
            "trained_seconds": sum(result.seconds for result in history),
            "device": device_name(self._run.device),
        }


def _device(gpu: float) -> str:
    if gpu and not torch.cuda.is_available():
        raise RuntimeError(
            f"the trial has {gpu:g} GPU, but torch {torch.__version__} sees no GPU on this "
            "node: install its CUDA build there, or set resources.gpu to 0"
        )
    return "cuda" if gpu else "cpu"
