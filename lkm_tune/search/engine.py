"""Runs a study on Ray: a new Tune experiment from the ledger at every start."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.tune import TuneError

from lkm_tune.ledger.failure import StorageError
from lkm_tune.ledger.journal_reader import PHASES
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.left_out import keep_left_out
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.use import Use
from lkm_tune.package import package_digest
from lkm_tune.search.array_size import array_size
from lkm_tune.search.broken import is_unwritable
from lkm_tune.search.checked_data import needed_data
from lkm_tune.search.cluster.demand import Demand
from lkm_tune.search.cluster.health import LABEL, NodeHealth
from lkm_tune.search.cluster.nodes import check_writable, marked
from lkm_tune.search.cluster.probe import GpuProbe
from lkm_tune.search.cluster.room import SECONDS_BETWEEN_LOOKS, Room, most_at_once
from lkm_tune.search.cluster.sharing import settle
from lkm_tune.search.cluster.slots import (
    NoRoomError,
    Share,
    node_resources,
    nodes_by_address,
    trial_slots,
    usable_nodes,
)
from lkm_tune.search.cluster.start_check import Needs, check_nodes
from lkm_tune.search.controller import run_trials
from lkm_tune.search.limits import Limits
from lkm_tune.search.meter import Meter
from lkm_tune.search.planner import CURVE_OF, Array, Planner
from lkm_tune.search.run_facts import study_facts
from lkm_tune.search.scheduler import CellScheduler, LedgerRelay
from lkm_tune.search.searcher import StudySearcher
from lkm_tune.search.trainable import LkmTrainable
from lkm_tune.search.trial_files import TrialFiles, local_model
from lkm_tune.study import Cell, Study, TrialSpec


@dataclass(frozen=True)
class Ending:
    """The end of a run of a study.

    Attributes:
        finished: whether every planned trial has ended.
        limit: the limit that ended the study early, in words; "" if none did, or if the user
            interrupted trials that ran within the limit.
        failed: the trials that failed, and the curve points that did not fit into memory.
        infeasible: the search trials that did not fit into memory, which is a result of the search.
        without_curve: cells without a complete search trial, in words.
    """

    finished: bool
    limit: str
    failed: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]
    without_curve: tuple[str, ...]


class Engine:
    """One study with its ledger, ready to run."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        cache: Path | None = None,
        trainable: type[tune.Trainable] = LkmTrainable,
    ) -> None:
        """Opens the ledger for writing: the caller holds the study's lock.

        Args:
            study: the study.
            folder: the folder of the study.
            cache: the folder of prepared data; None for the default.
            trainable: the class that trains a trial, with the reports of `LkmTrainable`.

        Raises:
            ValueError: if a file of the study's folder is damaged; the error names the file.
        """
        self.study = study
        self.folder = folder
        self.cache = cache.absolute() if cache else None
        self.trainable = trainable
        self.ledger = Ledger(study, folder.ledger)
        folder.write_facts(study_facts(study))
        self.planner = Planner(study, self.ledger, memory=folder.looks)
        self._seen_from, self._digests = Path.cwd(), folder.data_digests()
        Use.read(folder.use)  # Reports damage before any start.
        gpu = study.resources.gpu
        # `auto` is settled when a node exists for the probe.
        self._share = Share(study.resources.cpu, 0.0 if gpu == "auto" else gpu)
        self._most = most_at_once(study)
        self._demand: Demand | None = None
        self._mark = ""
        self._room: Room | None = None
        self._health = NodeHealth(
            lambda: usable_nodes(self._share), partial(keep_left_out, folder.left_out)
        )

    def wait_for_room(self, seconds: float) -> None:
        """Requests nodes of a cluster that adds nodes on demand, now and during the study.

        Args:
            seconds: longest wait for the first node that can hold a trial.

        Raises:
            ValueError: if there is no such node by then; the error lists the nodes' resources.
        """
        self._demand = Demand(self._share)
        end = time.monotonic() + seconds
        while True:
            try:
                trial_slots(self._share)
            except NoRoomError:
                if time.monotonic() > end:
                    raise
                self._demand.of(1)
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return self._demand.of(0)

    def check_nodes(self) -> list[str]:
        """Checks the package, the folders, the data and the GPUs of every node.

        Returns:
            The nodes that are left out for a time, with the reason, in words.

        Raises:
            ValueError: if the study cannot run; the error names the nodes and says what to do.
            OSError: if this machine cannot write into the folder of trials.
        """
        data = needed_data(self.study, self._seen_from, self._digests, self.cache)
        needs = Needs(self.folder.trials, data, gpu=self.study.resources.gpu != 0)
        nodes = usable_nodes(self._share)
        troubles = check_nodes(needs, nodes)
        for node, reason in troubles.items():
            self._health.leave_out(node, reason)
        return [f"{nodes[node]}: {reason}" for node, reason in troubles.items()]

    def find_room(self) -> None:
        """Settles the resources of a trial on the Ray that `connect` has joined.

        Raises:
            ValueError: if no node can hold a trial; the error lists the nodes' resources.
        """
        self._share = settle(self.study, node_resources(), GpuProbe)
        trial_slots(self._share)
        without = self.planner.ledger.without_arrays
        self.planner.array_size = array_size(self.study, self._share, GpuProbe, without)
        if self._demand:
            self._demand = Demand(self._share)

    def run(self, callbacks: Sequence[Any] = ()) -> Ending:
        """Runs the rest of the study on the Ray that `connect` has joined.

        Args:
            callbacks: further Tune callbacks.

        Raises:
            StorageError: if the storage folder is no longer writable. Results so far are kept.
            CodeError: if a worker's package differs from the driver's. Results so far are kept.
        """
        for record in self.ledger.all_records():
            if record.state != "running":
                # An earlier driver may have been killed before it removed the trial's checkpoints.
                self._after(record.spec)
        interrupted = False
        meter = Meter(self.folder.use, nodes_by_address, waiting=lambda: self.waiting)
        limits = Limits(self.study, self.ledger, meter.spent)
        if not self.planner.finished:
            room = Room(
                self._share,
                self._most,
                lambda: self.planner.ready,
                self._demand,
                lambda: self._health.avoided(()),
            )
            searcher = StudySearcher(
                self.planner,
                self._config,
                self._after,
                room,
                limits,
                meter.has_started,
                self._health,
                lambda: check_writable(self.folder.trials),
            )
            self._room = room
            with marked(self.folder.trials) as self._mark:
                interrupted = self._tune(searcher, [meter, LedgerRelay(searcher), *callbacks])
            room.leave()
            meter.write()
            if searcher.ending:
                raise searcher.ending
        records = self.ledger.all_records()
        for record in records:
            if record.failures and record.state != "running":
                # A worker that was cut off may have written checkpoints after the trial's end.
                self._after(record.spec)
        unfit = [r for r in records if r.state == "infeasible"]
        points = [r for r in unfit if r.spec.phase in CURVE_OF.values()]
        return Ending(
            finished=self.planner.finished,
            limit="" if self.planner.finished or interrupted else limits.reached,
            failed=tuple([r for r in records if r.state == "failed"] + points),
            infeasible=tuple(r for r in unfit if r not in points),
            without_curve=tuple(
                f"{cell} ({phase})" for cell, phase in self.planner.cells_without_curve
            ),
        )

    def _tune(self, searcher: StudySearcher, callbacks: Sequence[Any]) -> bool:
        with TemporaryDirectory(prefix="lkm-tune-") as scratch:
            try:
                return run_trials(
                    tune.with_resources(self.trainable, _held),
                    searcher,
                    CellScheduler(searcher),
                    callbacks,
                    searcher.on_broken,
                    Path(scratch),
                    self._room,
                    searcher.overdue,
                    searcher.ended,
                )
            except Exception as error:
                # Tune turns errors of its callbacks and of the searcher into text.
                raised = error.__context__ if isinstance(error, TuneError) else error
                if is_unwritable(raised):
                    raise StorageError(str(raised)) from error
                raise

    def best_model(self, cell: Cell) -> tuple[TrialSpec, Path] | None:
        """The complete trial of a cell with the lowest validation error, and its network."""
        best = [self.ledger.best(cell, phase) for phase in PHASES]
        complete = [record for record in best if record is not None]
        if not complete:
            return None
        trial = min(complete, key=lambda record: record.summary["val_error"]).spec
        return trial, local_model(self.folder, trial)

    @property
    def waiting(self) -> bool:
        """Whether no trial of the study runs because its Ray has no room for one."""
        return self._room is not None and self._room.waiting

    def _config(self, array: Array, alone: bool, avoids: Collection[str]) -> dict[str, Any]:
        holds = self._room.whole if alone and self._room else self._share
        spec = array[0]
        own, *others = [
            {
                "trial": one.to_dict(),
                "run": self.study.run_config(one).to_dict(),
                "files": TrialFiles.of(self.folder, one).place,
            }
            for one in array
        ]
        return {
            **own,
            "others": others,
            "place": self.folder.trials,
            "mark": self._mark,
            "package": package_digest(),
            "cache": str(self.cache) if self.cache else None,
            "folder": str(self._seen_from),
            "digest": self._digests.get(spec.cell.task),
            # The study's share decides, not the present resources: results must not depend on
            # these.
            "threads": max(1, int(self._share.cpu)),
            "rungs": self.ledger.rungs,
            "holds": {"cpu": holds.cpu, "gpu": holds.gpu},
            "avoids": list(avoids),
            "diagnostics": self.study.curve.diagnostics and spec.phase in CURVE_OF.values(),
            "system_metrics": self.study.tracking.system_metrics,
        }

    def _after(self, spec: TrialSpec) -> None:
        # An ended trial needs no checkpoints; a complete trial keeps its model.
        TrialFiles.of(self.folder, spec).checkpoints.discard()


def _held(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    bundles = [{"CPU": config["holds"]["cpu"], "GPU": config["holds"]["gpu"]}]
    if not config["avoids"]:
        return tune.PlacementGroupFactory(bundles)
    elsewhere = [{LABEL: f"!in({','.join(config['avoids'])})"}]
    return tune.PlacementGroupFactory(bundles, bundle_label_selector=elsewhere)
