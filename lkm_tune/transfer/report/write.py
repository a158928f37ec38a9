"""Writes a report: the page, and its tables as files."""

from __future__ import annotations

import json
from pathlib import Path

from lkm_tune.files import write_text
from lkm_tune.transfer.report.curve_sheet import curve_sheet
from lkm_tune.transfer.report.page import render
from lkm_tune.transfer.report.report import TransferReport


def write_report(report: TransferReport, folder: Path | str) -> dict[str, Path]:
    """Writes the files of a report, each atomically.

    Returns:
        The paths by name: report.html, curves.svg, transfer.json, curves.csv, regret.csv,
        trials.csv.
    """
    folder = Path(folder)
    texts = {
        "report.html": render(report),
        "curves.svg": curve_sheet(report),
        "transfer.json": json.dumps(report.to_dict(), allow_nan=False) + "\n",
        "curves.csv": report.curves.to_csv(index=False),
        "regret.csv": report.regret.to_csv(index=False),
        "trials.csv": report.trials.to_csv(index=False),
    }
    return {name: write_text(folder / name, text) for name, text in texts.items()}
