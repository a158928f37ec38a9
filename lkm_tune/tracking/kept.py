"""The runs of a study as its own folder knows them, whether MLflow is there or not."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.tracking.outbox import OUTBOX, Record
from lkm_tune.tracking.table import RunFacts, tidy_table


def read_kept_runs(folder: Path) -> pd.DataFrame:
    """The trials and curve points of one study from the records in its folder.

    MLflow has, or will get, these very records: the table is the one that `read_runs` gives once
    it has them all, but for the names of MLflow's runs.

    Args:
        folder: the study's.

    Returns:
        See `tidy_table`.
    """
    runs: dict[str, RunFacts] = {}
    last: dict[str, int] = {}
    for record in _records(folder / OUTBOX):
        run = runs.setdefault(record["run"], RunFacts(str(folder), "", {}, {}, {}))
        run.tags = {**run.tags, **record.get("tags", {})}
        # MLflow keeps the first value of a parameter, too.
        run.params = {**record.get("params", {}), **run.params}
        if record["kind"] == "start":
            run.tags = {**run.tags, "lkm.outcome": "running", "lkm.reason": ""}
        metrics = record.get("metrics", {})
        if record["kind"] == "epoch":
            if record["epoch"] <= last.get(record["run"], 0):
                continue  # A trial that goes on reports the epochs that it has again.
            last[record["run"]] = record["epoch"]
            metrics = _with_best(run, metrics)
        run.metrics = {**run.metrics, **metrics}
    return tidy_table(list(runs.values()))


def _with_best(run: RunFacts, metrics: dict[str, float]) -> dict[str, float]:
    seen = (run.metrics.get("val/best_error", math.inf), metrics["val/error"])
    best = min((error for error in seen if math.isfinite(error)), default=None)
    return metrics if best is None else {**metrics, "val/best_error": best}


def _records(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                record: Any = json.loads(line)
            except ValueError:
                continue  # The outbox keeps what is torn, and says so when it delivers.
            if isinstance(record, dict) and {"run", "kind"} <= record.keys():
                yield record
