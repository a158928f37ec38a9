"""Does the best γ transfer? Response curves, regret, verdicts and the report."""

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.run_table import COLUMNS, RunTableError
from lkm_tune.transfer.report.answer import cell_sentence
from lkm_tune.transfer.report.report import TransferReport

__all__ = ["COLUMNS", "CellAnswer", "CellKey", "RunTableError", "TransferReport", "cell_sentence"]
