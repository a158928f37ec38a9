"""The Python API: the commands of `lkm-tune` as functions that print nothing.

Remarks and progress go to an `Events`. Errors that the caller can correct are `LkmTuneError`s. Each
name is imported at its first use: a query for the status loads neither torch nor Ray.
"""

from typing import TYPE_CHECKING

from lkm_tune.lazy import lazy_imports

if TYPE_CHECKING:
    from lkm_tune.app.against_paper import compare_with_paper
    from lkm_tune.app.catalog import list_models, list_tasks
    from lkm_tune.app.check import StudyCheck, check_study, study_cost, study_gpu_cost
    from lkm_tune.app.diagnosis import Diagnosis, diagnose
    from lkm_tune.app.errors import LkmTuneError
    from lkm_tune.app.events import Events
    from lkm_tune.app.export import best_settings, export_settings
    from lkm_tune.app.finished_answers import best_gamma, best_gamma_lines
    from lkm_tune.app.listing import ListedStudy, list_studies
    from lkm_tune.app.package_copy import package_copy
    from lkm_tune.app.permissions import Permissions
    from lkm_tune.app.predictions import Predictions, predict
    from lkm_tune.app.printed import trial_log
    from lkm_tune.app.progress import CellStatus, StudyProgress
    from lkm_tune.app.removal import StudyRemains, remove_study, study_remains
    from lkm_tune.app.run import run_study
    from lkm_tune.app.status import StudyStatus, all_statuses, study_status
    from lkm_tune.app.stored_answers import answers_are_old, answers_stamp
    from lkm_tune.app.studies import study_folder_names, study_text
    from lkm_tune.app.study_report import make_report
    from lkm_tune.app.study_result import StudyResult
    from lkm_tune.app.study_view import (
        BrokenTrial,
        LiveCurve,
        StudyView,
        draw_curve,
        page_style,
        report_file,
        run_columns,
        study_rows,
        view_study,
    )
    from lkm_tune.app.submissions import (
        Submission,
        asked_of_driver,
        has_begun,
        interrupt_study,
        reap,
        start_study,
        stored_file,
        study_stamp,
        submission,
    )
    from lkm_tune.app.submitted_check import CheckedFile, StudyFileError, check_file
    from lkm_tune.app.task_data import describe_data, element_symbols, prepare_data
    from lkm_tune.app.train import TrainedRun, train_gammas, train_run
    from lkm_tune.datasets.describe import Description
    from lkm_tune.package import package_digest
    from lkm_tune.search.cost import CellCost
    from lkm_tune.search.gpu_cost import GpuCost
    from lkm_tune.search.looks import Look
    from lkm_tune.training.run_result import EpochResult
    from lkm_tune.transfer.fit.answer import CellAnswer
    from lkm_tune.transfer.report.report import TransferReport
    from lkm_tune.transfer.report.text_lines import summary_lines
    from lkm_tune.transfer.wording import cost_text

__all__ = [
    "BrokenTrial",
    "CellAnswer",
    "CellCost",
    "CellStatus",
    "CheckedFile",
    "Description",
    "Diagnosis",
    "EpochResult",
    "Events",
    "GpuCost",
    "ListedStudy",
    "LiveCurve",
    "LkmTuneError",
    "Look",
    "Permissions",
    "Predictions",
    "StudyCheck",
    "StudyFileError",
    "StudyProgress",
    "StudyRemains",
    "StudyResult",
    "StudyStatus",
    "StudyView",
    "Submission",
    "TrainedRun",
    "TransferReport",
    "all_statuses",
    "answers_are_old",
    "answers_stamp",
    "asked_of_driver",
    "best_gamma",
    "best_gamma_lines",
    "best_settings",
    "check_file",
    "check_study",
    "compare_with_paper",
    "cost_text",
    "describe_data",
    "diagnose",
    "draw_curve",
    "element_symbols",
    "export_settings",
    "has_begun",
    "interrupt_study",
    "list_models",
    "list_studies",
    "list_tasks",
    "make_report",
    "package_copy",
    "package_digest",
    "page_style",
    "predict",
    "prepare_data",
    "reap",
    "remove_study",
    "report_file",
    "run_columns",
    "run_study",
    "start_study",
    "stored_file",
    "study_cost",
    "study_folder_names",
    "study_gpu_cost",
    "study_remains",
    "study_rows",
    "study_stamp",
    "study_status",
    "study_text",
    "submission",
    "summary_lines",
    "train_gammas",
    "train_run",
    "trial_log",
    "view_study",
]

__getattr__ = lazy_imports(__file__)
