"""The finished runs of a storage folder, and their provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.ledger.run_table import all_runs
from lkm_tune.ledger.study_folder import study_folders
from lkm_tune.printable import printable
from lkm_tune.study import digest
from lkm_tune.transfer.wording import counted
from lkm_tune.versions import package_versions


def finished_runs(storage: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The ended runs of all studies, and their provenance.

    Raises:
        FileNotFoundError: if no study has run in the folder.
    """
    folders = study_folders(storage)
    studies = {folder.path.name: folder.read_study() for folder in folders}
    if not folders:
        raise FileNotFoundError(f"no study has run in {storage}")
    runs = all_runs(storage)
    provenance = {
        "studies": ", ".join(
            f"{name} (digest {digest(study)})" for name, study in studies.items() if study
        ),
        "runs": len(runs),
        "training time": training_time(runs),
        "versions": package_versions(),
    }
    return runs, provenance


def training_time(runs: pd.DataFrame) -> str:
    """The hours of training of a table's runs, by device."""
    if not {"device", "seconds"} <= set(runs):
        return f"not recorded ({counted(len(runs), 'run')})"
    hours = runs.groupby("device")["seconds"].sum() / 3600
    told = [
        f"{spent:.2f} h on {printable(str(device)) or 'an unknown device'}"
        for device, spent in hours.items()
    ]
    return "; ".join(told) + f" ({counted(len(runs), 'run')})"
