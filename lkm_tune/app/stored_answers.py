"""A cache of the answers of all studies of a storage folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.files import listing, mapping, read_json, write_text
from lkm_tune.ledger.study_folder import ledger_stamp, study_folders
from lkm_tune.package import package_digest
from lkm_tune.study import ReportPlan

if TYPE_CHECKING:
    from lkm_tune.transfer import TransferReport

FILE = "transfer/answers.json"
MARGIN = ReportPlan().margin
"""Default difference of the error, as a fraction, that does not matter."""


def usual_margin(storage: Path) -> float:
    """The margin of all studies of a storage folder, `MARGIN` if they have several or none."""
    files = [read_json(folder.study, mapping) for folder in study_folders(storage)]
    margins = {file.get("report", {}).get("margin", MARGIN) for file in files}
    return margins.pop() if len(margins) == 1 else MARGIN


_OTHER = "<other>"
"""Placeholder in a stored answer for an unknown architecture or task."""


def stored_answers(storage: Path, *, old: bool = False) -> dict[str, Any]:
    """Answers for the finished cells of all studies together, and for cells without a search.

    Args:
        storage: the storage folder.
        old: whether answers count that miss the last runs; nothing is then analysed.

    Returns:
        `answers` and `unsearched`, each a list of `answer_record`, the `summary` of a report,
        and the data of `predicted`.

    Raises:
        ValueError: when no run can be analysed; with `old`, when no answers are stored.
    """
    kept = _read(storage / FILE)
    if old:
        if kept is None or kept["state"]["package"] != package_digest():
            raise ValueError(f"{storage} has no answers yet")
        return kept
    if kept is not None and kept["state"] == _state(storage):
        return kept
    load_report(storage)
    return read_json(storage / FILE, _sound)


def answers_stamp(storage: Storage) -> int:
    """A number that changes with the stored answers; 0 without any."""
    path = storage_path(storage) / FILE
    return path.stat().st_mtime_ns if path.exists() else 0


def answers_are_old(storage: Storage) -> bool:
    """Whether the stored answers miss runs, or there are none."""
    place = storage_path(storage)
    kept = _read(place / FILE)
    return kept is None or kept["state"] != _state(place)


def load_report(storage: Path, margin: float | None = None) -> "TransferReport":
    """The report of all studies of a storage folder; at the usual margin its answers are stored.

    Args:
        storage: the storage folder.
        margin: difference of the error, as a fraction, that does not matter; None: the usual one.

    Raises:
        ValueError: when no run can be analysed.
    """
    from lkm_tune.transfer import TransferReport
    from lkm_tune.transfer.report.summary import answer_record

    # The state is read before the runs: later changes of a ledger then outdate the file.
    state = _state(storage)
    usual = usual_margin(storage)
    report = TransferReport.load(storage, margin=usual if margin is None else margin)
    if report.margin == usual:
        found = {
            "state": state,
            "summary": report.summary,
            "answers": [answer_record(answer) for answer in report.answers],
            "unsearched": [answer_record(answer) for answer in report.unsearched],
            "half_known": _half_known(report),
        }
        path = storage / FILE
        write_text(path, json.dumps(found, ensure_ascii=False))
    return report


def predicted(kept: dict[str, Any], model: str, task: str) -> list[dict[str, Any]]:
    """The prediction for a cell with a known architecture or a known task."""
    for answer in kept["half_known"]:
        names = [
            asked if answer[field] == _OTHER else answer[field]
            for field, asked in (("model", model), ("task", task))
        ]
        if [name.lower() for name in names] == [model.lower(), task.lower()]:
            asked = model if answer["model"] == _OTHER else task
            texts = {name: answer[name].replace(_OTHER, asked) for name in ("name", "sentence")}
            texts["line"] = [texts["name"], *answer["line"][1:]]
            return [{**answer, "model": names[0], "task": names[1], **texts}]
    return []


def _half_known(report: "TransferReport") -> list[dict[str, Any]]:
    from lkm_tune.transfer.report.summary import answer_record

    keys = report.pool.keys
    models, tasks = ({getattr(key, field): None for key in keys} for field in ("model", "task"))
    pairs = [(model, _OTHER) for model in models] + [(_OTHER, task) for task in tasks]
    return [answer_record(report.best_gamma(*pair)) for pair in pairs]


def _state(storage: Path) -> dict[str, Any]:
    # Other code may give other answers.
    return {"package": package_digest(), "stamp": ledger_stamp(storage)}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path, _sound)
    except (OSError, ValueError):
        return None


def _sound(kept: Any) -> dict[str, Any]:
    mapping(mapping(kept)["state"])["package"]
    return {**kept, **{key: listing(kept[key]) for key in ("answers", "unsearched")}}
