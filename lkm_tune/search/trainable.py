"""The trainable of a trial: one epoch per step, on an actor that trains trials in sequence."""

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from lkm_tune.cache import settle_folders
from lkm_tune.datasets import Origin
from lkm_tune.search.cluster.node_use import NodeUse
from lkm_tune.search.cluster.nodes import check_package, check_place
from lkm_tune.search.member import Member
from lkm_tune.search.reporting import StudyTrainable
from lkm_tune.training import ArrayRun, EpochResult, TrainingRun
from lkm_tune.training.pace import Pace
from lkm_tune.training.run_state import newest_together

Epoch = list[tuple[int, EpochResult]]
"""The members that have made an epoch, by their number, with its result."""


class LkmTrainable(StudyTrainable):
    """Trains the run of a trial, from its newest checkpoint of any attempt.

    The config has `run` (a `RunConfig` as plain data), `files` (the place of the trial's files,
    equal on every node), `place` (the place of all trials' files) with the driver's `mark`,
    `package` (the digest of the driver's package), `folder` (where relative paths of data start),
    `digest` (of the data file, or None), `cache` (the folder of prepared data on a node, or None),
    `threads`, `holds` (the `cpu` and `gpu` of the trial), `rungs`, `system_metrics` (whether to
    report the load of the node), `diagnostics` (whether to report figures of the layers), `trial`
    (for the driver) and `others` (`run`, `files` and `trial` of further trials).

    With `others`, the trials train as an array. A report then has the list `members`: the report of
    each trial that has made the epoch, with its number in the array as `member`.

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
        trials = [config, *config["others"]]
        self._members = [Member(one["files"]) for one in trials]
        with self._captured():
            self._build(config, [one["run"] for one in trials])

    def _captured(self) -> ExitStack:
        """Stores the output with every trial."""
        stack = ExitStack()
        for member in self._members:
            stack.enter_context(member.printed.captured())
        return stack

    def _build(self, config: dict[str, Any], runs: list[dict[str, Any]]) -> None:
        # Relative paths in this node's environment start at the folder where its Ray started.
        settle_folders(Path(os.environ.get("TUNE_ORIG_WORKING_DIR", os.getcwd())))
        # The number of threads is fixed, or results would depend on the machine.
        torch.set_num_threads(config["threads"])
        cache = Path(config["cache"]) if config["cache"] else None
        device = _device(config["holds"]["gpu"])
        origin = Origin(Path(config["folder"]), config["digest"])
        states = newest_together([member.files.checkpoints for member in self._members])
        for member, run, state in zip(self._members, runs, states, strict=True):
            member.open(run, device, cache, origin)
            member.restore(state)
        self.known_epochs = self._epoch
        self._pace = Pace()
        self._results = self._epochs()
        self._node = NodeUse() if config["system_metrics"] else None

    def step(self) -> dict[str, Any]:
        """Trains one epoch."""
        with self._captured():
            return self._train()

    def _train(self) -> dict[str, Any]:
        epoch = next(self._results)
        shared = {"system": self._node.read()} if self._node is not None else {}
        reports = [
            self._members[k].report(result, self.config["diagnostics"]) | shared | {"member": k}
            for k, result in epoch
        ]
        if len(self._members) == 1:
            return reports[0]
        reached = epoch[0][1].epoch
        over = all(member.run.finished for member in self._members) and reached == self._epoch
        return {"epoch": reached, "val_error": math.nan, "done": over, "members": reports}

    def _epochs(self) -> Iterator[Epoch]:
        for epoch in range(self.known_epochs):
            known = [member.run.history[epoch : epoch + 1] for member in self._members]
            yield [(k, result) for k, one in enumerate(known) for result in one]
        runs = [member.run for member in self._members if not member.run.finished]
        for trained in _trained(runs):
            self._pace.trained(sum(run.history[-1].seconds for run in trained))
            yield [
                (k, member.run.history[-1])
                for k, member in enumerate(self._members)
                if any(member.run is run for run in trained)
            ]

    @property
    def _epoch(self) -> int:
        """The number of epochs of the member with the most."""
        return max(len(member.run.history) for member in self._members)

    def keep(self, must: bool) -> bool:
        """Writes checkpoints of all members if they must be, or cost little."""
        wanted = must or self._pace.due
        lacking = [
            member
            for member in self._members
            if not member.kept and (wanted or member.run.finished)
        ]
        if lacking:
            with self._pace.saving(), self._captured():
                for member in lacking:
                    member.save()
        return all(member.kept for member in self._members)


def _trained(runs: list[TrainingRun]) -> Iterator[list[TrainingRun]]:
    """The runs of each epoch: of an array, or of one run as it always was."""
    if len(runs) > 1:
        return ArrayRun(runs).epochs()
    return ([run] for run in runs for _ in run.epochs())


def _device(gpu: float) -> str:
    if gpu and not torch.cuda.is_available():
        raise RuntimeError(
            f"the trial has {gpu:g} GPU, but torch {torch.__version__} sees no GPU on this "
            "node: install its CUDA build there, or set resources.gpu to 0"
        )
    return "cuda" if gpu else "cpu"
