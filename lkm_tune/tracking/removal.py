"""Deletes the MLflow experiments of a study folder."""

import time
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType

from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking.delivery import RefusedError
from lkm_tune.tracking.experiments import UUID, open_client, own_experiment
from lkm_tune.tracking.mlflow_errors import named_failures
from lkm_tune.tracking.storage import sqlite_file

_DOING = "the study's runs in MLflow cannot be deleted, so nothing is removed"


def experiments_of(uri: str, own: StudyIdentity, outbox: Path) -> list[str]:
    """The names of the experiments of a study folder, those that it set aside among them.

    Args:
        uri: The MLflow.
        own: The study folder.
        outbox: The file of all messages of the study folder, delivered or not.

    Raises:
        ConnectionError: MLflow cannot be reached.
    """
    if _is_absent(uri):
        return []
    with named_failures(_DOING):
        return [found.name for found in _all(open_client(uri), own, outbox)]


def delete_experiments(uri: str, own: StudyIdentity, outbox: Path) -> None:
    """Deletes the experiments of a study folder, and sets their names free.

    MLflow keeps what is deleted until somebody runs `mlflow gc`. The arguments are those of
    `experiments_of`.

    Raises:
        ConnectionError: MLflow cannot be reached.
    """
    if _is_absent(uri):
        return
    with named_failures(_DOING):
        client = open_client(uri)
        for found in _all(client, own, outbox):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
            name = f"{found.name} (removed {stamp} UTC, {found.experiment_id})"
            client.rename_experiment(found.experiment_id, name)
            client.delete_experiment(found.experiment_id)


def _is_absent(uri: str) -> bool:
    file = sqlite_file(uri)
    return file is not None and not file.exists()


def _all(client: MlflowClient, own: StudyIdentity, outbox: Path) -> list[Experiment]:
    # The name may be another study folder's, which stays as it is.
    with suppress(RefusedError):
        # One of an earlier version gets the folder's UUID here.
        own_experiment(client, own, outbox)
    mine = f"tags.`{UUID}` = '{own.uuid}'"
    return list(client.search_experiments(ViewType.ACTIVE_ONLY, filter_string=mine))
