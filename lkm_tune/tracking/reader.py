"""The reader: the runs of studies as one tidy table."""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lkm_tune.tracking.experiments import STUDY, open_client, study_experiments
from lkm_tune.tracking.kept import ENDED
from lkm_tune.tracking.records import curve_tag, without_gamma
from lkm_tune.tracking.storage import sqlite_file

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
    "reason": "str",
    "run_id": "str",
}
"""The columns of every table and their types, in order; searched settings follow."""

PAGE = 1000

_NO_MORE: Mapping[str, str] = {}
_KEPT = {"experiment": "str", "cell_key": "str", "settings": "str", "ended": "int64"}

Settings = Mapping[str, Any]


def read_runs(
    tracking_uri: str, studies: Collection[str] | None = None, superseded: bool = False
) -> pd.DataFrame:
    """The trials and curve points of studies, one row each.

    Args:
        tracking_uri: The MLflow.
        studies: Names of studies; None means all.
        superseded: Whether to keep curve points at settings that are no longer their cell's
            best ones, with the status `superseded`.

    Returns:
        A table with the columns of `COLUMNS` and one for every searched setting, sorted by
        study, model, task and trial. Errors are in `unit`; `val_error` of a trial that was
        stopped is its best so far. `kd_ratio` is the last γ·L_KD / L_pred. `status` is
        `complete`, `stopped`, `diverged`, `failed`, `running` or `interrupted`. Unknown numbers
        are missing.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        return _table([])
    client = open_client(tracking_uri)
    names = {
        experiment.experiment_id: experiment.tags[STUDY]
        for experiment in study_experiments(client)
        if studies is None or experiment.tags[STUDY] in studies
    }
    runs = _runs(client, list(names))
    curves = _curve_settings(runs)
    rows = []
    for run in runs:
        if run.data.tags.get("lkm.kind") != "trial":
            continue
        row = _row(run)
        if _is_superseded(run, curves):
            row["status"] = "superseded"
        if superseded or row["status"] != "superseded":
            rows.append(row)
    return _table(rows)


def read_ended(
    tracking_uri: str, since: Mapping[str, int]
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """The ended runs of all studies, for `lkm_tune.tracking.kept`.

    Args:
        tracking_uri: The MLflow.
        since: By experiment, only runs that ended later (ms since 1970); all of others.

    Returns:
        The runs, with the columns `experiment`, `cell_key`, `settings` and `ended` beside those of
        `read_runs` and those included that are superseded; the settings of the current curves by
        experiment/cell/phase; the experiments that there are.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        return _table([], _KEPT), {}, []
    client = open_client(tracking_uri)
    experiments = [experiment.experiment_id for experiment in study_experiments(client)]
    rows = []
    for experiment in experiments:
        after = f"attributes.end_time > {since.get(experiment, 0)}"
        for run in _runs(client, [experiment], after):
            if (
                run.data.tags.get("lkm.kind") == "trial"
                and run.data.tags.get("lkm.outcome") in ENDED
            ):
                own = {
                    "experiment": experiment,
                    "cell_key": run.data.tags["lkm.cell"],
                    "settings": _text(without_gamma(json.loads(run.data.tags["lkm.settings"]))),
                    "ended": run.info.end_time,
                }
                rows.append({**_row(run), **own})
    curves = _curve_settings(_runs(client, experiments, "tags.`lkm.kind` = 'cell'"))
    named = {"/".join(key): _text(settings) for key, settings in curves.items()}
    return _table(rows, _KEPT), named, experiments


def _text(settings: Settings) -> str:
    return json.dumps(dict(settings), sort_keys=True)


def trial_of_run(tracking_uri: str, run_id: str) -> str | None:
    """The key of the trial that an MLflow run is of; None where there is no such run."""
    try:
        run = open_client(tracking_uri).get_run(run_id)
    except MlflowException:
        return None
    trial: str | None = run.data.tags.get("lkm.trial")
    return trial


def _runs(client: MlflowClient, experiments: list[str], where: str = "") -> list[Run]:
    runs: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, where, max_results=PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return runs


def _curve_settings(runs: list[Run]) -> dict[tuple[str, str, str], Settings]:
    """The settings of the current curves, by (experiment, cell, phase)."""
    found = {}
    for run in runs:
        tags = run.data.tags
        if tags.get("lkm.kind") == "cell":
            for phase in ("curve", "control_curve"):
                if text := tags.get(curve_tag(phase)):
                    key = (run.info.experiment_id, tags["lkm.cell"], phase)
                    found[key] = json.loads(text)
    return found


def _is_superseded(run: Run, curves: Mapping[tuple[str, str, str], Settings]) -> bool:
    tags = run.data.tags
    current = curves.get((run.info.experiment_id, tags["lkm.cell"], tags["lkm.phase"]))
    return current is not None and without_gamma(json.loads(tags["lkm.settings"])) != current


def _row(run: Run) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
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
        "reason": tags.get("lkm.reason", ""),
        "run_id": run.info.run_id,
    }
    row |= {name: int(params[name]) for name in ("n_train", "seed", "epochs")}
    row["depth"] = _number(params.get("depth"))
    row |= {name: _number(settings.get(name, params.get(name))) for name in ("gamma", "lr")}
    row |= {name: final(name) for name in COLUMNS if name not in row and COLUMNS[name] != "str"}
    return {**settings, **row}


def _number(value: Any) -> float:
    """A parameter as a number; missing when it is none, as a user's own `depth` may be."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _table(rows: list[dict[str, Any]], more: Mapping[str, str] = _NO_MORE) -> pd.DataFrame:
    types = {**COLUMNS, **more}
    extra = sorted({name for row in rows for name in row} - types.keys())
    table = pd.DataFrame(rows, columns=[*types, *extra]).astype(types)
    order = ["study", "model", "task", "trial"]
    return table.sort_values(order, ignore_index=True)
