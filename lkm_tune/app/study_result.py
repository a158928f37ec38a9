"""The result of a run of a study."""

from dataclasses import dataclass
from pathlib import Path

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.transfer.report.report import TransferReport


@dataclass(frozen=True)
class StudyResult:
    """How a run of a study ended.

    Attributes:
        name: the name of the study.
        folder: the folder of the study, with its ledger and its report.
        finished: whether every planned trial has ended.
        limit: the limit that ended the study early, in words; "" if none did.
        failed: the trials that failed, and the curve points that did not fit into memory.
        infeasible: the search trials that did not fit into memory, which is a result of the search.
        without_curve: cells without a complete search trial, in words.
        mlflow_command: the shell command that shows the study's runs in a browser.
        report: the analysis; None if the study was interrupted, or no curve has a run.
    """

    name: str
    folder: Path
    finished: bool
    limit: str
    failed: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]
    without_curve: tuple[str, ...]
    mlflow_command: str
    report: TransferReport | None

    @property
    def interrupted(self) -> bool:
        """Whether the user ended the run before its plan was complete."""
        return not self.finished and not self.limit

    @property
    def page(self) -> Path:
        """The path of the report."""
        return self.folder / "report" / "report.html"
