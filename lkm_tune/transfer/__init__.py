"""Does the best γ transfer? Response curves, regret, verdicts and the report."""

from lkm_tune.transfer.answer import BestGamma
from lkm_tune.transfer.check import COLUMNS, RunTableError
from lkm_tune.transfer.report import TransferReport
from lkm_tune.transfer.runs import CellKey

__all__ = ["COLUMNS", "BestGamma", "CellKey", "RunTableError", "TransferReport"]
