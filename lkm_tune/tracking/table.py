"""The tidy table: one row for every trial and curve point, wherever its facts are kept."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lkm_tune.tracking.records import curve_tag, without_gamma

COLUMNS = {
    "study": "str",
    "model": "str",
    "task": "str",
    "depth": "Int64",
    "n_train": "int64",
    "gamma": "float64",
    "seed": "int64",
    "val_error": "float64",
    "test_error": "float64",
    "status": "str",
    "phase": "str",
    "trial": "str",
    "unit": "str",
    "lr": "float64",
    "kd_ratio": "float64",
    "val_mean_error": "float64",
    "test_mean_error": "float64",
    "best_epoch": "Int64",
    "n_parameters": "Int64",
    "seconds": "float64",
    "epochs": "Int64",
    "scale": "str",
    "device": "str",
    "reason": "str",
    "run_id": "str",
}
"""The columns of every table and their types, in order; searched settings follow."""

LAYERS = {"layer_cka": "layers/cka_mean", "layer_rank": "layers/rank_mean"}
"""Columns that follow, too, where curve runs recorded them (`curve.diagnostics`)."""


Settings = Mapping[str, Any]


@dataclass
class RunFacts:
    """What is known of one run.

    Attributes:
        experiment: what tells the runs of two studies apart.
        run_id: MLflow's name of the run, "" where it has none.
        tags: by name, as `records` makes them.
        params: by name.
        metrics: the last value of each.
    """

    experiment: str
    run_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def tidy_table(runs: Sequence[RunFacts], superseded: bool = False) -> pd.DataFrame:
    """A row for every run of a trial.

    Args:
        runs: of cells, too: they say where the points of the current curves lie.
        superseded: whether to keep curve points at settings that are no longer their cell's
            best ones, with the status `superseded`.

    Returns:
        A table with the columns of `COLUMNS` and one for every searched setting, sorted by
        study, model, task and trial. Errors are in `unit`; `val_error` of a trial that was
        stopped is its best so far. `kd_ratio` is the last γ·L_KD / L_pred. `status` is
        `complete`, `stopped`, `diverged`, `infeasible`, `failed`, `running` or `interrupted`.
        Unknown numbers are missing.
    """
    curves = curve_settings(runs)
    rows = []
    for run in runs:
        if run.tags.get("lkm.kind") != "trial":
            continue
        row = _row(run)
        if _is_superseded(run, curves):
            row["status"] = "superseded"
        if superseded or row["status"] != "superseded":
            rows.append(row)
    return _table(rows)


def curve_settings(runs: Iterable[RunFacts]) -> dict[tuple[str, str, str], Settings]:
    """The settings of the current curves, by (experiment, cell, phase)."""
    found = {}
    for run in runs:
        if run.tags.get("lkm.kind") == "cell":
            for phase in ("curve", "control_curve"):
                if text := run.tags.get(curve_tag(phase)):
                    found[run.experiment, run.tags["lkm.cell"], phase] = json.loads(text)
    return found


def _is_superseded(run: RunFacts, curves: Mapping[tuple[str, str, str], Settings]) -> bool:
    tags = run.tags
    current = curves.get((run.experiment, tags["lkm.cell"], tags["lkm.phase"]))
    return current is not None and without_gamma(json.loads(tags["lkm.settings"])) != current


def _row(run: RunFacts) -> dict[str, Any]:
    tags, params, metrics = run.tags, run.params, run.metrics
    settings = json.loads(tags["lkm.settings"])

    def final(name: str) -> float:
        return float(metrics.get(f"final/{name}", math.nan))

    row = {
        "study": tags["lkm.study"],
        "model": tags["lkm.model"],
        "task": tags["lkm.task"],
        "val_error": metrics.get("final/val_error", metrics.get("val/best_error", math.nan)),
        "status": tags.get("lkm.outcome", "running"),
        "phase": tags["lkm.phase"],
        "trial": tags["lkm.trial"],
        "unit": tags.get("lkm.unit", ""),
        "kd_ratio": metrics.get("train/kd_ratio", math.nan),
        "scale": tags.get("lkm.scale", ""),
        "device": tags.get("lkm.device", ""),
        "reason": tags.get("lkm.reason", ""),
        "run_id": run.run_id,
    }
    row |= {name: int(params[name]) for name in ("n_train", "seed", "epochs")}
    row["depth"] = _number(params.get("depth"))
    row |= {name: _number(settings.get(name, params.get(name))) for name in ("gamma", "lr")}
    row |= {name: final(name) for name in COLUMNS if name not in row and COLUMNS[name] != "str"}
    row |= {name: metrics[metric] for name, metric in LAYERS.items() if metric in metrics}
    return {**settings, **row}


def _number(value: Any) -> float:
    """A parameter as a number; missing when it is none, as a user's own `depth` may be."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    extra = sorted({name for row in rows for name in row} - COLUMNS.keys())
    table = pd.DataFrame(rows, columns=[*COLUMNS, *extra]).astype(COLUMNS)
    order = ["study", "model", "task", "trial"]
    return table.sort_values(order, ignore_index=True)
