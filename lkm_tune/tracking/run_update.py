"""The state of a run in MLflow, and its changes by messages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities import Run

from lkm_tune.tracking.messages import REPORT
from lkm_tune.tracking.outbox import Message


@dataclass
class KnownRun:
    """The state of one run in MLflow. `last_epoch` None: not read yet."""

    run_id: str
    status: str
    tags: dict[str, str]
    params: set[str] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)
    last_epoch: int | None = None
    best: float = math.inf


@dataclass
class RunUpdate:
    """The combined changes of a run's messages."""

    start: Message | None = None
    end: Message | None = None
    epochs: list[Message] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    folders: list[Message] = field(default_factory=list)
    texts: list[Message] = field(default_factory=list)
    model: Message | None = None
    messages: list[Message] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Take the next message of the run."""
        self.messages.append(message)
        match message["kind"]:
            case "start":
                self.start, self.end = message, None
                self.tags |= message["tags"] | {"lkm.outcome": "running", "lkm.reason": ""}
            case "epoch":
                self.epochs.append(message)
            case "tags":
                self.tags |= message["tags"]
            case "end":
                self.end = message
                self.tags |= message["tags"]
            case "artifacts":
                self.folders.append(message)
            case "text":
                self.texts.append(message)
            case "model":
                self.model = message
                self.tags |= message["tags"]


def known_run(run: Run) -> KnownRun:
    """The state of an existing run."""
    data = run.data
    return KnownRun(
        run.info.run_id, run.info.status, dict(data.tags), set(data.params), dict(data.metrics)
    )


def identity(tags: Mapping[str, str]) -> str | None:
    """The key of the run with these tags; None for a run of no study."""
    kinds = {"cell": tags.get("lkm.cell"), "trial": tags.get("lkm.trial"), "report": REPORT}
    return kinds.get(tags.get("lkm.kind", ""))
