"""How a run of a study ended."""

from dataclasses import dataclass
from pathlib import Path

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.transfer.report.report import TransferReport


@dataclass(frozen=True)
class StudyResult:
    """How a run of a study ended.

    Attributes:
        name: of the study.
        folder: of the study, with its ledger and its report.
        finished: whether everything that was planned has ended.
        limit: the limit of the study that ended it before, in words; "" if none did.
        failed: the trials that failed, and the curve points that did not fit into memory.
        infeasible: the search trials that did not fit into memory: a finding of the search.
        without_curve: cells of which no search trial was complete, in words.
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
        """Whether the user ended the run while its plan was not done."""
        return not self.finished and not self.limit

    @property
    def page(self) -> Path:
        """Where the report lies, once it is made."""
        return self.folder / "report" / "report.html"
