"""Does the best γ transfer? Response curves, regret, verdicts and the report.

Each name is imported at its first use, so that stored answers need no pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lkm_tune.transfer.fit.answer import CellAnswer
    from lkm_tune.transfer.fit.cells import CellKey
    from lkm_tune.transfer.fit.run_table import COLUMNS, RunTableError
    from lkm_tune.transfer.report.report import TransferReport
    from lkm_tune.transfer.report.sentences import cell_sentence

SCHEMA_VERSION = 5
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

_HOMES = {
    "COLUMNS": "fit.run_table",
    "CellAnswer": "fit.answer",
    "CellKey": "fit.cells",
    "RunTableError": "fit.run_table",
    "TransferReport": "report.report",
    "cell_sentence": "report.sentences",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
