"""The studies of a storage folder, each in a line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.finished_answers import stored_report
from lkm_tune.app.status import StudyStatus, status_of
from lkm_tune.app.studies import Storage, storage_path, stored_study, study_names
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.transfer.report.text_lines import at_margin


@dataclass(frozen=True)
class ListedStudy:
    """A study of a storage folder.

    Attributes:
        status: its progress.
        decision: the decision of its report, in one line; "" without a report.
        changed: the time of its last change, in seconds since 1970.
    """

    status: StudyStatus
    decision: str
    changed: float

    def to_dict(self) -> dict[str, Any]:
        """The study as JSON can hold it."""
        return {**self.status.to_dict(), "decision": self.decision, "changed": self.changed}


def list_studies(storage: Storage = "lkm-runs") -> list[ListedStudy]:
    """The studies of a storage folder, ordered by their last change, newest first.

    Raises:
        LkmTuneError: if no study has run there, or a file is damaged.
    """
    with user_errors():
        place = storage_path(storage)
        names = study_names(place)
        found = [listed(place, name, status_of(*stored_study(place, name))) for name in names]
    return sorted(found, key=lambda one: -one.changed)


def listed(storage: Path, name: str, status: StudyStatus) -> ListedStudy:
    """A study with its decision and the time of its last change."""
    return ListedStudy(status, _decision(storage, name), _changed(storage, name))


def _decision(storage: Path, name: str) -> str:
    try:
        with user_errors():
            summary = stored_report(storage, name)["summary"]
            told = at_margin(summary, summary["margin"])
    except LkmTuneError:
        return ""  # There is no report yet, or one of an earlier version.
    if len(told["lines"]) == 1:
        cell, decision, *_ = told["lines"][0]
        return f"{cell}: {decision}"
    return str(told["all"])


def _changed(storage: Path, name: str) -> float:
    folder = StudyFolder(storage, name)
    files = (folder.study, folder.ledger, folder.use, folder.report / "transfer.json")
    return max(file.stat().st_mtime for file in files if file.exists())
