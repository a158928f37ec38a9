"""Finds single runs in MLflow."""

from mlflow.exceptions import MlflowException

from lkm_tune.tracking.experiments import UUID, open_client
from lkm_tune.tracking.mlflow_errors import named_failures

_NO_SUCH_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def trial_of_run(tracking_uri: str, run_id: str) -> tuple[str, str | None] | None:
    """The trial that an MLflow run is of.

    Returns:
        The key of the trial, and the UUID of its study's folder (None for a run of an earlier
        version); None where there is no such run.

    Raises:
        ConnectionError: MLflow cannot be reached.
    """
    with named_failures("the runs in MLflow cannot be read"):
        client = open_client(tracking_uri)
        try:
            tags = client.get_run(run_id).data.tags
        except MlflowException as error:
            if error.error_code not in _NO_SUCH_RUN:
                raise
            return None
    return (tags["lkm.trial"], tags.get(UUID)) if "lkm.trial" in tags else None
