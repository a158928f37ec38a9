"""What the finished runs of a storage folder say, kept so that asking again takes no second."""

import json
import os
from pathlib import Path
from typing import Any

FILE = "transfer/answers.json"
VERSION = 2
"""Of what an answer holds: a file of another version is made again."""


def stored_answers(storage: Path) -> dict[str, Any]:
    """Answers for the finished cells of all studies together, and for those never searched.

    They are read from a file as long as the MLflow database has not changed since; then neither
    pandas nor MLflow is loaded.

    Returns:
        `answers` and `unsearched`, each a list of `BestGamma.to_dict()`.

    Raises:
        ValueError: when no run can be analysed.
    """
    from lkm_tune.tracking.storage import database_stamp, tracking_uri

    uri = tracking_uri(storage)
    # Before the runs are read: what is written meanwhile makes the file old.
    state = {"version": VERSION, "uri": uri, "stamp": database_stamp(uri)}
    path = storage / FILE
    kept = _read(path)
    if kept is not None and state["stamp"] is not None and kept["state"] == state:
        return kept
    from lkm_tune.transfer import TransferReport

    report = TransferReport.load(storage)
    found = {
        "state": state,
        "answers": [answer.to_dict() for answer in report.answers],
        "unsearched": [answer.to_dict() for answer in report.unsearched],
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    part.replace(path)
    return found


def predicted(storage: Path, model: str, task: str) -> list[dict[str, Any]]:
    """The prediction for a cell of which only the architecture or only the task was searched."""
    from lkm_tune.transfer import TransferReport

    try:
        return [TransferReport.load(storage).best_gamma(model, task).to_dict()]
    except LookupError:
        return []


def _read(path: Path) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept
