"""The reader: the runs of studies as one tidy table."""

from collections.abc import Collection

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lkm_tune.tracking.experiments import STUDY, open_client, study_experiments
from lkm_tune.tracking.storage import sqlite_file
from lkm_tune.tracking.table import RunFacts, tidy_table

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


def trial_of_run(tracking_uri: str, run_id: str) -> str | None:
    """The key of the trial that an MLflow run is of; None where there is no such run."""
    try:
        run = open_client(tracking_uri).get_run(run_id)
    except MlflowException:
        return None
    trial: str | None = run.data.tags.get("lkm.trial")
    return trial


def _runs(client: MlflowClient, experiments: list[str]) -> list[Run]:
    runs: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(experiments, max_results=PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return runs


def _facts(run: Run) -> RunFacts:
    data, info = run.data, run.info
    return RunFacts(info.experiment_id, info.run_id, data.tags, data.params, data.metrics)
