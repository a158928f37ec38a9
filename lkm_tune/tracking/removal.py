"""Deletes the MLflow experiments of a study folder."""

from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType

from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking.delivery import RefusedError
from lkm_tune.tracking.experiments import (
    UUID,
    free_name,
    is_absent,
    open_client,
    own_experiment,
    utc_now,
)
from lkm_tune.tracking.mlflow_errors import named_failures

_DOING = "the study's runs in MLflow cannot be deleted, so nothing is removed"


def experiments_of(uri: str, own: StudyIdentity, outbox: Path) -> list[str]:
    """The names of the experiments of a study folder, including experiments that were set aside.

    Args:
        uri: The MLflow.
        own: The study folder.
        outbox: The file of all messages of the study folder, delivered or not.

    Raises:
        ConnectionError: MLflow cannot be reached.
    """
    if is_absent(uri):
        return []
    with named_failures(_DOING):
        return [found.name for found in _all(open_client(uri), own, outbox)]


def delete_experiments(uri: str, own: StudyIdentity, outbox: Path) -> None:
    """Deletes the experiments of a study folder and frees their names.

    MLflow keeps deleted experiments until `mlflow gc` runs. The arguments are those of
    `experiments_of`.

    Raises:
        ConnectionError: MLflow cannot be reached.
    """
    if is_absent(uri):
        return
    with named_failures(_DOING):
        client = open_client(uri)
        for found in _all(client, own, outbox):
            free_name(client, found, f"removed {utc_now()}")
            client.delete_experiment(found.experiment_id)


def _all(client: MlflowClient, own: StudyIdentity, outbox: Path) -> list[Experiment]:
    # An experiment of another study folder may have the name; it stays unchanged.
    with suppress(RefusedError):
        # An experiment of an earlier version gets the folder's UUID here.
        own_experiment(client, own, outbox)
    mine = f"tags.`{UUID}` = '{own.uuid}'"
    return list(client.search_experiments(ViewType.ACTIVE_ONLY, filter_string=mine))
