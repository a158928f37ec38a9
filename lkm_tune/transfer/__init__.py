"""Does the best γ transfer? Response curves, regret, verdicts and the report.

Each name is imported at its first use, so that stored answers need no pandas.
"""

from typing import TYPE_CHECKING

from lkm_tune.lazy import lazy_imports

if TYPE_CHECKING:
    from lkm_tune.transfer.fit.answer import CellAnswer
    from lkm_tune.transfer.fit.cells import CellKey
    from lkm_tune.transfer.fit.run_table import COLUMNS, RunTableError
    from lkm_tune.transfer.report.report import TransferReport
    from lkm_tune.transfer.report.sentences import cell_sentence

SCHEMA_VERSION = 6
"""Version of `transfer.json` and of the answers of `best-gamma --json`."""

__all__ = [
    "SCHEMA_VERSION",
    "COLUMNS",
    "CellAnswer",
    "CellKey",
    "RunTableError",
    "TransferReport",
    "cell_sentence",
]

__getattr__ = lazy_imports(__file__)
