"""The MLflow experiment of a study: opened, made, set aside.

Several study folders may write to one MLflow. An experiment and its runs have the UUID of their
folder as a tag. A folder changes no experiment and no run with another UUID.
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


def is_absent(uri: str) -> bool:
    """Whether MLflow is a database file that does not exist yet."""
    file = sqlite_file(uri)
    return file is not None and not file.exists()


def open_client(uri: str) -> MlflowClient:
    """A client of a database that has MLflow's tables."""
    file = sqlite_file(uri)
    if file is not None and is_absent(uri):
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
    """The experiment of a study folder; a missing experiment is created.

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
            # Another process has created an experiment with this name in the meantime.
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
    """The experiment of a study folder's runs, deleted or not, under any name.

    An experiment of an earlier version has no UUID. It gets the folder's UUID if the folder has
    written all of its runs.

    Returns:
        The experiment; None if the folder has no experiment yet and the name is free.

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
    """Gives the folder's UUID to an experiment without one, unless another folder wrote to it.

    Two folders with the same study have trials with the same names, but their runs started at
    different milliseconds.
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
    # The experiment gets its tag last, so that a kill in between only repeats this function.
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
    if is_absent(uri):
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
    stamp = utc_now()
    client.set_experiment_tag(found.experiment_id, RETIRED, stamp)
    name = free_name(client, found, f"until {stamp}")
    if deleted:
        client.delete_experiment(found.experiment_id)
    return name


def free_name(client: MlflowClient, found: Experiment, when: str) -> str:
    """Gives an experiment a name with `when` in it, which frees the old name; returns the new."""
    # The id keeps the name unique if a study starts again twice within a second.
    name = f"{found.name} ({when} UTC, {found.experiment_id})"
    client.rename_experiment(found.experiment_id, name)
    return name


def utc_now() -> str:
    """The present time, as names and tags of experiments have it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


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
