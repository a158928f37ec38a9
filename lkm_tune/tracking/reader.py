"""The reader: the runs of studies as one tidy table."""

import json
from collections.abc import Collection, Mapping

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lkm_tune.tracking.ended import ENDED
from lkm_tune.tracking.experiments import STUDY, open_client, study_experiments
from lkm_tune.tracking.records import without_gamma
from lkm_tune.tracking.storage import sqlite_file
from lkm_tune.tracking.table import RunFacts, Settings, curve_settings, tidy_table

PAGE = 1000


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
        See `tidy_table`.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        return tidy_table([])
    client = open_client(tracking_uri)
    names = {
        experiment.experiment_id: experiment.tags[STUDY]
        for experiment in study_experiments(client)
        if studies is None or experiment.tags[STUDY] in studies
    }
    return tidy_table([_facts(run) for run in _runs(client, list(names))], superseded)


def read_ended(
    tracking_uri: str, since: Mapping[str, int]
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """The ended runs of all studies, for `lkm_tune.tracking.ended`.

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
        return _with_origin([]), {}, []
    client = open_client(tracking_uri)
    experiments = [experiment.experiment_id for experiment in study_experiments(client)]
    ended = [
        run
        for experiment in experiments
        for run in _runs(client, [experiment], f"attributes.end_time > {since.get(experiment, 0)}")
        if run.data.tags.get("lkm.kind") == "trial" and run.data.tags.get("lkm.outcome") in ENDED
    ]
    cells = [_facts(run) for run in _runs(client, experiments, "tags.`lkm.kind` = 'cell'")]
    curves = {"/".join(key): _text(held) for key, held in curve_settings(cells).items()}
    return _with_origin(ended), curves, experiments


def _with_origin(runs: list[Run]) -> pd.DataFrame:
    origins = [
        (
            run.info.run_id,
            run.info.experiment_id,
            run.data.tags["lkm.cell"],
            _text(without_gamma(json.loads(run.data.tags["lkm.settings"]))),
            run.info.end_time,
        )
        for run in runs
    ]
    names = ["run_id", "experiment", "cell_key", "settings", "ended"]
    origin = pd.DataFrame(origins, columns=names).astype(
        {**dict.fromkeys(names[:-1], "str"), "ended": "int64"}
    )
    return tidy_table([_facts(run) for run in runs]).merge(origin, on="run_id")


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


def _runs(client: MlflowClient, experiments: list[str], which: str = "") -> list[Run]:
    runs: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(
            experiments, filter_string=which, max_results=PAGE, page_token=token
        )
        runs += page
        token = page.token
        if not token:
            break
    return runs


def _facts(run: Run) -> RunFacts:
    data, info = run.data, run.info
    return RunFacts(info.experiment_id, info.run_id, data.tags, data.params, data.metrics)
