"""The trainable of a trial: one epoch per step, on an actor that trains trials in sequence."""

import math
import os
from collections.abc import Iterator, Sequence
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
    each trial that has made the epoch, with its place in the array as `member`. A trial that the
    driver has stopped leaves the array.

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
        self._members = {k: Member(one["files"]) for k, one in enumerate(trials)}
        self._array: ArrayRun | None = None
        with self._captured():
            self._build(config, [one["run"] for one in trials])

    def _captured(self) -> ExitStack:
        """Stores the output with every trial."""
        stack = ExitStack()
        for member in self._members.values():
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
        members = self._members.values()
        states = newest_together([member.files.checkpoints for member in members])
        for member, run, state in zip(members, runs, states, strict=True):
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
        if not self.config["others"]:
            return reports[0]
        reached = epoch[0][1].epoch
        members = self._members.values()
        over = all(member.run.finished for member in members) and reached == self._epoch
        return {"epoch": reached, "val_error": math.nan, "done": over, "members": reports}

    def leave(self, places: Sequence[int]) -> None:
        """Trials that have ended leave their array."""
        for place in places:
            member = self._members.pop(place, None)
            if member is not None and self._array is not None:
                self._array.runs = [run for run in self._array.runs if run is not member.run]

    def _epochs(self) -> Iterator[Epoch]:
        for epoch in range(self.known_epochs):
            known = [(k, one.run.history[epoch:][:1]) for k, one in self._members.items()]
            # The trial with the most epochs may have left.
            if reached := [(k, result) for k, found in known for result in found]:
                yield reached
        for trained in self._trained():
            self._pace.trained(sum(run.history[-1].seconds for run in trained))
            yield [
                (k, member.run.history[-1])
                for k, member in self._members.items()
                if any(member.run is run for run in trained)
            ]

    def _trained(self) -> Iterator[list[TrainingRun]]:
        """The runs of each epoch: of an array, or of one run as it always was."""
        runs = [member.run for member in self._members.values() if not member.run.finished]
        if len(runs) > 1:
            self._array = ArrayRun(runs)
            return self._array.epochs()
        return ([run] for run in runs for _ in run.epochs())

    @property
    def _epoch(self) -> int:
        """The number of epochs of the member with the most."""
        return max(len(member.run.history) for member in self._members.values())

    def keep(self, must: bool) -> bool:
        """Writes checkpoints of all members if they must be, or cost little."""
        wanted = must or self._pace.due
        lacking = [
            member
            for member in self._members.values()
            if not member.kept and (wanted or member.run.finished)
        ]
        if lacking:
            with self._pace.saving(), self._captured():
                for member in lacking:
                    member.save()
        return all(member.kept for member in self._members.values())


def _device(gpu: float) -> str:
    if gpu and not torch.cuda.is_available():
        raise RuntimeError(
            f"the trial has {gpu:g} GPU, but torch {torch.__version__} sees no GPU on this "
            "node: install its CUDA build there, or set resources.gpu to 0"
        )
    return "cuda" if gpu else "cpu"
