"""The status of a study, from its folder: progress, driver and hours spent."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lkm_tune.app.errors import sound, user_errors
from lkm_tune.app.progress import CellStatus, cell_statuses
from lkm_tune.app.signs import signs_of
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study, study_names
from lkm_tune.ledger.left_out import LeftOut, read_left_out
from lkm_tune.ledger.lock import holder
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.ledger.use import STARTING, Spent, Use
from lkm_tune.search.limits import Limits
from lkm_tune.search.looks import Look
from lkm_tune.search.planner import Plan
from lkm_tune.search.progress import Left, Progress, hours_of_training
from lkm_tune.study import Study


@dataclass(frozen=True)
class StudyStatus:
    """The status of a study.

    Attributes:
        name: the name of the study.
        finished: whether every planned trial has ended.
        limit: the limit that it has reached before its plan was complete, in words; "" if none.
        driver: the process that runs the study; None if none does.
        waiting: whether its driver waits for room on the cluster, and no trial runs.
        planned: trials planned so far.
        ended: trials that have ended.
        spent: hours of wall time, CPU-hours and GPU-hours.
        left: trials and hours left within its limits.
        nodes: resources that trials hold on each node, while a driver runs.
        left_out: nodes that get no trials for a time, with the reason, while a driver runs.
        look: the last look at the results; None without `curve.until: decided`, and before the
            first look.
        next_look: the number of seeds of the next look; None if there is none.
        training_left: hours of training of the planned trials that have not ended; None before a
            curve point has ended.
        signs: signs of trouble with γ, and damaged files that the ledger does not need, in
            sentences.
        cells: the progress of each cell.
    """

    name: str
    finished: bool
    limit: str
    driver: str | None
    waiting: bool
    planned: int
    ended: int
    spent: Spent
    left: Left
    nodes: Mapping[str, Mapping[str, float]]
    left_out: tuple[str, ...]
    look: Look | None
    next_look: int | None
    training_left: float | None
    signs: tuple[str, ...]
    cells: tuple[CellStatus, ...]

    @property
    def state(self) -> str:
        """The state of the study, in words."""
        if self.finished:
            return "finished"
        if self.driver is not None:
            waits = ", waiting for room: others use the cluster" if self.waiting else ""
            return f"running in {self.driver}{waits}"
        if self.limit:
            return f"not finished, at its limit: {self.limit}"
        return "not finished, not running"

    @property
    def look_in_words(self) -> str:
        """The result of the last look; "" without a look."""
        look = self.look
        if look is None:
            return ""
        pairs = look.judgement.open_pairs
        if pairs and self.finished:
            return f"the looks have ended with {look.following} seeds, the largest number"
        if not pairs:
            return f"after {look.seeds} seeds every pair of cells is decided"
        open_pairs, whose = (f"{pairs} pairs are", "their") if pairs > 1 else ("1 pair is", "its")
        return (
            f"after {look.seeds} seeds {open_pairs} undecided: {whose} cells get "
            f"{look.following} seeds"
        )

    @property
    def nodes_in_words(self) -> list[str]:
        """What trials hold on each node, in words."""
        return [_held(node, use) for node, use in self.nodes.items()]

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON data."""
        cells = [asdict(cell) for cell in self.cells]
        return {
            "study": self.name,
            "finished": self.finished,
            "limit": self.limit,
            "driver": self.driver,
            "waiting": self.waiting,
            "trials": {"planned": self.planned, "ended": self.ended},
            "spent_hours": asdict(self.spent),
            "left": asdict(self.left),
            "nodes": dict(self.nodes),
            "left_out": list(self.left_out),
            "look": self.look
            and {
                "seeds": self.look.seeds,
                "open_pairs": self.look.judgement.open_pairs,
                "seeds_of_open": self.look.following,
            },
            "next_look": self.next_look,
            "training_left_hours": self.training_left,
            "signs": list(self.signs),
            "cells": cells,
        }


def study_status(study: StudyLike, storage: Storage = "lkm-runs") -> StudyStatus:
    """The status of one study.

    Raises:
        LkmTuneError: if the study has not run in the storage folder, or a file of it is damaged.
    """
    with user_errors():
        return status_of(*stored_study(storage_path(storage), study))


def all_statuses(storage: Storage = "lkm-runs") -> list[StudyStatus]:
    """The status of every study of a storage folder.

    Raises:
        LkmTuneError: if no study has run there, or a file is damaged.
    """
    with user_errors():
        place = storage_path(storage)
        return [status_of(*stored_study(place, name)) for name in study_names(place)]


def status_of(study: Study, folder: StudyFolder, trials: StudyTrials | None = None) -> StudyStatus:
    """The status of a study.

    Args:
        study: the study as it last ran.
        folder: its folder.
        trials: the trials of its ledger if the caller has read them; they are then as old as that.

    Raises:
        ValueError: if the ledger is damaged.
    """
    # The driver is read first: a driver that ends meanwhile has already written its trials' ends.
    driver = holder(folder.lock)
    trials = trials or StudyTrials.read(study, folder.ledger)
    damage: list[str] = []
    use = sound(lambda: Use.read(folder.use), Use(), damage)
    left_out: list[LeftOut] = sound(lambda: read_left_out(folder.left_out), [], damage)
    plan, spent = Plan(study, trials, memory=folder.looks), use.spent
    progress = Progress.of(plan)
    driven = driver is not None
    return StudyStatus(
        name=study.name,
        finished=plan.finished,
        limit="" if plan.finished else Limits(study, trials, spent).reached,
        driver=driver,
        waiting=driven and use.waiting,
        planned=progress.planned,
        ended=progress.ended,
        spent=spent,
        left=Left.of(study, progress.ended + progress.running, spent),
        nodes=use.nodes if driven else {},
        left_out=tuple(str(node) for node in left_out if driven and node.until > time.time()),
        look=plan.looks[-1] if plan.looks else None,
        next_look=plan.next_look,
        training_left=hours_of_training(plan, progress.to_end),
        signs=(*damage, *signs_of(study, folder)),
        cells=cell_statuses(plan, driven),
    )


def _held(node: str, use: Mapping[str, float]) -> str:
    trials = use.get("trials", 0)
    shares = []
    for name in ("cpu", "gpu"):
        held, total = use.get(name, 0), use.get(f"of_{name}", 0)
        if held or total:
            part = f"{held:g} of {total:g}" if trials and total else f"{held or total:g}"
            shares.append(f"{part} {name.upper()}")
    room = " and ".join(shares)
    if not trials:
        return f"node {node} is idle, with {room}"
    one = trials == 1
    if node == STARTING:
        return f"{trials:g} trial{' starts and holds' if one else 's start and hold'} {room}"
    return f"node {node}: {trials:g} trial{' holds' if one else 's hold'} {room}"
