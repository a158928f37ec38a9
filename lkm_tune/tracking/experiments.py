"""The MLflow experiment of a study: opened, made, set aside.

Several study folders may write to one MLflow. An experiment and its runs have the UUID of their
folder as a tag, and a folder changes nothing that has another one.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException

from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.masking import masked
from lkm_tune.tracking.database import make_database
from lkm_tune.tracking.delivery import RefusedError, UnreachableError
from lkm_tune.tracking.mlflow_errors import named_failures
from lkm_tune.tracking.notes import NOTE, experiment_note
from lkm_tune.tracking.outbox import start_times
from lkm_tune.tracking.run_update import identity
from lkm_tune.tracking.storage import is_server, sqlite_file

STUDY, RETIRED = "lkm.study", "lkm.retired"
"""Tags of an experiment: its study, and the time when it was set aside."""

UUID = "lkm.uuid"
"""The tag of an experiment and of its runs with the UUID of their study's folder."""

PAGE = 1000


def open_client(uri: str) -> MlflowClient:
    """A client of a database that has MLflow's tables."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        make_database(file)
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except ValueError as error:
        raise MlflowException(f"MLflow cannot open the address {masked(uri)}: {error}") from error
    return client


def open_experiment(
    client: MlflowClient, uri: str, own: StudyIdentity, outbox: Path, artifacts: Path | None
) -> tuple[str, bool]:
    """The experiment of a study folder, made when it is missing.

    Args:
        client: The client.
        uri: The address of MLflow.
        own: The study folder.
        outbox: The file of all messages of the study folder, delivered or not.
        artifacts: The folder of its runs' files; a server chooses another folder.

    Returns:
        The experiment's id and whether it is new.

    Raises:
        RefusedError: The name belongs to an experiment of another study folder.
        UnreachableError: if the experiment was deleted in MLflow.
    """
    found = own_experiment(client, own, outbox)
    if found is None:
        location = None if artifacts is None or is_server(uri) else artifacts.resolve().as_uri()
        tags = {STUDY: own.study, UUID: own.uuid, NOTE: experiment_note(own.study)}
        try:
            return client.create_experiment(own.experiment, location, tags=tags), True
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Somebody made one of this name since.
            found = own_experiment(client, own, outbox)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UnreachableError(
            f"the experiment {found.name!r} (id {found.experiment_id}) was deleted in MLflow: "
            "restore it, or start the study afresh"
        )
    if found.name != own.experiment:
        client.rename_experiment(found.experiment_id, own.experiment)
    return found.experiment_id, False


def own_experiment(client: MlflowClient, own: StudyIdentity, outbox: Path) -> Experiment | None:
    """The experiment that a study folder writes to, deleted or not, under whatever name.

    An experiment of an earlier version has no UUID. It is the folder's own, and gets its UUID,
    where the folder has written all of its runs.

    Returns:
        None where the folder has none yet and its name is free.

    Raises:
        RefusedError: The name belongs to an experiment of another study folder.
    """
    tagged = client.search_experiments(ViewType.ALL, filter_string=f"tags.`{UUID}` = '{own.uuid}'")
    mine = next((found for found in tagged if RETIRED not in found.tags), None)
    named = client.get_experiment_by_name(own.experiment)
    if named is None or (mine and mine.experiment_id == named.experiment_id):
        return mine
    other = named.tags.get(UUID)
    active = named.lifecycle_stage == "active"
    if mine is None and other is None and active and _adopt(client, named, own, outbox):
        return named
    whose = "was not written by this study folder alone:"
    if other is None and not active:
        whose = "was deleted, and no UUID tells whose it is: restore it, or"
    elif other is not None:
        whose = f"belongs to another study folder (UUID {other}; this one has {own.uuid}):"
    raise RefusedError(
        f"the experiment {own.experiment!r} in MLflow (id {named.experiment_id}) {whose} give the "
        "study another name, or name another experiment for its runs with --experiment NAME"
    )


def _adopt(client: MlflowClient, found: Experiment, own: StudyIdentity, outbox: Path) -> bool:
    """Marks an experiment without a UUID as the folder's own, unless another has written to it.

    Two folders with the same study have trials of the same names. The millisecond at which a run
    started tells whose it is.
    """
    runs = [run for run in runs_of(client, found.experiment_id) if identity(run.data.tags)]
    written = start_times(outbox) if runs else {}
    for run in runs:
        key = identity(run.data.tags) or ""
        unmarked = UUID not in run.data.tags and run.info.start_time in written.get(key, ())
        if not (unmarked or run.data.tags.get(UUID) == own.uuid):
            return False
    for run in runs:
        client.set_tag(run.info.run_id, UUID, own.uuid)
    # Last: a kill in between leaves an experiment that is adopted again.
    client.set_experiment_tag(found.experiment_id, UUID, own.uuid)
    return True


def runs_of(client: MlflowClient, experiment: str, where: str = "") -> Iterator[Run]:
    """The runs of an experiment, oldest first.

    Args:
        client: The client.
        experiment: Its id.
        where: MLflow's filter; "" for all runs.
    """
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            where,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def retire_experiment(uri: str, own: StudyIdentity, outbox: Path) -> str | None:
    """Sets a study's experiment aside so that the study can start again under its name.

    Its runs stay in MLflow under another name, and `import_runs` leaves them out.

    Args:
        uri: The MLflow.
        own: The study folder.
        outbox: The file of all messages of the study folder, delivered or not.

    Returns:
        The experiment's new name; None if there was no experiment.

    Raises:
        RefusedError: The name belongs to an experiment of another study folder.
        ConnectionError: if MLflow cannot be reached now.
    """
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return None
    with named_failures(
        f"the earlier runs of {own.study} in MLflow cannot be set aside, so no result is"
    ):
        return _retire(open_client(uri), own, outbox)


def _retire(client: MlflowClient, own: StudyIdentity, outbox: Path) -> str | None:
    found = own_experiment(client, own, outbox)
    if found is None:
        return None
    deleted = found.lifecycle_stage != "active"
    if deleted:
        client.restore_experiment(found.experiment_id)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    # The id keeps the name unique if a study starts again twice within a second.
    name = f"{found.name} (until {stamp} UTC, {found.experiment_id})"
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
