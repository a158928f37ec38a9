"""The finished runs of a storage folder, and their provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.ledger.run_table import all_runs
from lkm_tune.ledger.study_folder import study_folders
from lkm_tune.versions import package_versions


def finished_runs(storage: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The ended runs of all studies of a storage folder, and their provenance.

    Raises:
        FileNotFoundError: if no study has run in the folder.
    """
    studies = [folder.path for folder in study_folders(storage)]
    if not studies:
        raise FileNotFoundError(f"no study has run in {storage}")
    runs = all_runs(storage)
    return runs, {
        "studies": ", ".join(f"{path.name} ({_digest(path)})" for path in studies),
        "runs": len(runs),
        "training time": training_time(runs),
        "versions": package_versions(),
    }


def training_time(runs: pd.DataFrame) -> str:
    """The hours of training of a table's runs, by device."""
    if not {"device", "seconds"} <= set(runs):
        return f"not recorded ({len(runs)} runs)"
    hours = runs.groupby("device")["seconds"].sum() / 3600
    told = [f"{spent:.2f} h on {device or 'an unknown device'}" for device, spent in hours.items()]
    return "; ".join(told) + f" ({len(runs)} runs)"


def _digest(folder: Path) -> str:
    from lkm_tune.study import digest, study_from_dict

    held = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    return f"digest {digest(study_from_dict(held))}"
