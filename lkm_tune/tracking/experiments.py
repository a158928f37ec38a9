"""Opens, creates and sets aside the MLflow experiment of a study."""

import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lkm_tune.tracking.database import make_database
from lkm_tune.tracking.delivery import UnreachableError
from lkm_tune.tracking.notes import NOTE, experiment_note
from lkm_tune.tracking.storage import is_server, sqlite_file

STUDY, RETIRED = "lkm.study", "lkm.retired"
"""Tags of an experiment: its study, and the time when it was set aside."""


def open_client(uri: str) -> MlflowClient:
    """A client of a database that has MLflow's tables."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        make_database(file)
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def open_experiment(
    client: MlflowClient, uri: str, study: str, artifacts: Path | None
) -> tuple[str, bool]:
    """The experiment of a study; creates it if it is missing.

    Args:
        client: The client.
        uri: The address of MLflow.
        study: Name of the study and of its experiment.
        artifacts: The folder of its runs' files; a server chooses another folder.

    Returns:
        The experiment's id and whether it is new.

    Raises:
        UnreachableError: if the experiment was deleted in MLflow.
    """
    found = client.get_experiment_by_name(study)
    if found is None:
        location = None if artifacts is None or is_server(uri) else artifacts.resolve().as_uri()
        tags = {STUDY: study, NOTE: experiment_note(study)}
        return client.create_experiment(study, location, tags=tags), True
    if found.lifecycle_stage != "active":
        raise UnreachableError(
            f"the experiment {study!r} (id {found.experiment_id}) was deleted in MLflow: "
            "restore it, or start the study afresh"
        )
    return found.experiment_id, False


def retire_experiment(uri: str, study: str) -> str | None:
    """Sets a study's experiment aside so that the study can start again under its name.

    Its runs stay in MLflow under another name, and `import_runs` leaves them out.

    Returns:
        The experiment's new name; None if there was no experiment.

    Raises:
        ConnectionError: if MLflow cannot be reached now.
    """
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return None
    try:
        return _retire(open_client(uri), study)
    except (MlflowException, SQLAlchemyError) as error:
        raise ConnectionError(
            f"the earlier runs of {study} in MLflow cannot be set aside, so no result is: "
            f"{type(error).__name__}: {str(error).splitlines()[0][:500]}"
        ) from error


def _retire(client: MlflowClient, study: str) -> str | None:
    found = client.get_experiment_by_name(study)
    if found is None:
        return None
    deleted = found.lifecycle_stage != "active"
    if deleted:
        client.restore_experiment(found.experiment_id)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    # The id keeps the name unique if a study starts again twice within a second.
    name = f"{study} (until {stamp} UTC, {found.experiment_id})"
    client.set_experiment_tag(found.experiment_id, RETIRED, stamp)
    client.rename_experiment(found.experiment_id, name)
    if deleted:
        client.delete_experiment(found.experiment_id)
    return name


def study_experiments(client: MlflowClient) -> list[Experiment]:
    """The experiments of studies that were not set aside."""
    experiments: list[Experiment] = []
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        experiments += [e for e in page if STUDY in e.tags and RETIRED not in e.tags]
        token = page.token
        if not token:
            return experiments
