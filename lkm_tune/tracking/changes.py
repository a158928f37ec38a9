"""What MLflow holds of a run, and what records change about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities import Run

from lkm_tune.tracking.outbox import Record
from lkm_tune.tracking.records import REPORT


@dataclass
class KnownRun:
    """What MLflow holds of one run. `last_epoch` None: not looked up yet."""

    run_id: str
    status: str
    tags: dict[str, str]
    params: set[str] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)
    last_epoch: int | None = None
    best: float = math.inf


@dataclass
class Change:
    """What the records of one run amount to."""

    start: Record | None = None
    end: Record | None = None
    epochs: list[Record] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    folders: list[Record] = field(default_factory=list)
    model: Record | None = None
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take the next record of the run."""
        self.records.append(record)
        match record["kind"]:
            case "start":
                self.start, self.end = record, None
                self.tags |= record["tags"] | {"lkm.outcome": "running", "lkm.reason": ""}
            case "epoch":
                self.epochs.append(record)
            case "tags":
                self.tags |= record["tags"]
            case "end":
                self.end = record
                self.tags |= record["tags"]
            case "artifacts":
                self.folders.append(record)
            case "model":
                self.model = record
                self.tags |= record["tags"]


def known_run(run: Run) -> KnownRun:
    """What MLflow says of a run that is there already."""
    data = run.data
    return KnownRun(
        run.info.run_id, run.info.status, dict(data.tags), set(data.params), dict(data.metrics)
    )


def identity(tags: Mapping[str, str]) -> str | None:
    """Which run of a study these tags are of; None for one that is no study's."""
    kinds = {"cell": tags.get("lkm.cell"), "trial": tags.get("lkm.trial"), "report": REPORT}
    return kinds.get(tags.get("lkm.kind", ""))
