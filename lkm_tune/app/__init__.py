"""The Python API: the commands of `lkm-tune` as functions that print nothing.

Remarks and progress go to an `Events`. Errors that the caller can correct are `LkmTuneError`s. Each
name is imported at its first use: a query for the status loads neither torch nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lkm_tune.app.against_paper import compare_with_paper
    from lkm_tune.app.catalog import list_models
    from lkm_tune.app.check import CellCost, StudyCheck, check_study, study_cost
    from lkm_tune.app.diagnosis import Diagnosis, diagnose
    from lkm_tune.app.errors import LkmTuneError
    from lkm_tune.app.events import Events
    from lkm_tune.app.export import best_settings, export_settings
    from lkm_tune.app.finished_answers import best_gamma, best_gamma_lines
    from lkm_tune.app.predictions import Predictions, predict
    from lkm_tune.app.progress import CellStatus, StudyProgress
    from lkm_tune.app.result import StudyResult
    from lkm_tune.app.run import run_study
    from lkm_tune.app.status import StudyStatus, all_statuses, study_status
    from lkm_tune.app.stored_answers import MARGIN
    from lkm_tune.app.study_report import make_report
    from lkm_tune.app.task_data import describe_data, element_symbols, prepare_data
    from lkm_tune.app.tasks import list_tasks
    from lkm_tune.app.train import TrainedRun, train_run
    from lkm_tune.datasets.describe import Description
    from lkm_tune.package import package_digest
    from lkm_tune.search.looks import Look
    from lkm_tune.training.result import EpochResult
    from lkm_tune.transfer.report.report import TransferReport
    from lkm_tune.transfer.report.summary import answer_record
    from lkm_tune.transfer.report.terminal import summary_lines

__all__ = [
    "MARGIN",
    "CellCost",
    "CellStatus",
    "Description",
    "Diagnosis",
    "EpochResult",
    "Events",
    "LkmTuneError",
    "Look",
    "Predictions",
    "StudyCheck",
    "StudyProgress",
    "StudyResult",
    "StudyStatus",
    "TrainedRun",
    "TransferReport",
    "all_statuses",
    "answer_record",
    "best_gamma",
    "best_gamma_lines",
    "best_settings",
    "check_study",
    "compare_with_paper",
    "describe_data",
    "diagnose",
    "element_symbols",
    "export_settings",
    "list_models",
    "list_tasks",
    "make_report",
    "package_digest",
    "predict",
    "prepare_data",
    "run_study",
    "study_cost",
    "study_status",
    "summary_lines",
    "train_run",
]

_HOMES = {
    "app.against_paper": ("compare_with_paper",),
    "app.finished_answers": ("best_gamma", "best_gamma_lines"),
    "app.catalog": ("list_models",),
    "app.check": ("CellCost", "StudyCheck", "check_study", "study_cost"),
    "app.diagnosis": ("Diagnosis", "diagnose"),
    "app.errors": ("LkmTuneError",),
    "app.events": ("Events",),
    "app.export": ("best_settings", "export_settings"),
    "app.predictions": ("Predictions", "predict"),
    "app.progress": ("CellStatus", "StudyProgress"),
    "app.result": ("StudyResult",),
    "app.run": ("run_study",),
    "app.status": ("StudyStatus", "all_statuses", "study_status"),
    "app.study_report": ("make_report",),
    "app.tasks": ("list_tasks",),
    "app.task_data": ("describe_data", "element_symbols", "prepare_data"),
    "app.stored_answers": ("MARGIN",),
    "app.train": ("TrainedRun", "train_run"),
    "datasets.describe": ("Description",),
    "package": ("package_digest",),
    "search.looks": ("Look",),
    "training.result": ("EpochResult",),
    "transfer.report.report": ("TransferReport",),
    "transfer.report.summary": ("answer_record",),
    "transfer.report.terminal": ("summary_lines",),
}
"""Module of lkm_tune -> its names in this package."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lkm_tune.{_HOME[name]}"), name)
