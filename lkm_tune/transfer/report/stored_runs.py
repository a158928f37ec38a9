"""The finished runs of a storage folder, and where they come from."""

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
        FileNotFoundError: when no study has been run in the folder.
    """
    studies = [folder.path for folder in study_folders(storage)]
    if not studies:
        raise FileNotFoundError(f"no study has been run in {storage}")
    runs = all_runs(storage)
    return runs, {
        "studies": ", ".join(f"{path.name} ({_digest(path)})" for path in studies),
        "runs": len(runs),
        "training time": training_time(runs),
        "versions": package_versions(),
    }


def training_time(runs: pd.DataFrame) -> str:
    """The hours that the runs of a table were trained for, on each kind of device."""
    if not {"device", "seconds"} <= set(runs):
        return f"not recorded ({len(runs)} runs)"
    hours = runs.groupby("device")["seconds"].sum() / 3600
    told = [
        f"{spent:.2f} h on {device or 'a device not recorded'}" for device, spent in hours.items()
    ]
    return "; ".join(told) + f" ({len(runs)} runs)"


def _digest(folder: Path) -> str:
    from lkm_tune.study import digest, study_from_dict

    held = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    return f"digest {digest(study_from_dict(held))}"
