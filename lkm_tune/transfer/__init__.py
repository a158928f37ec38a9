"""Does the best γ transfer? Response curves, regret, verdicts and the report."""

from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.run_table import COLUMNS, RunTableError
from lkm_tune.transfer.report.answer import BestGamma
from lkm_tune.transfer.report.report import TransferReport

__all__ = ["COLUMNS", "BestGamma", "CellKey", "RunTableError", "TransferReport"]
