"""Finds single runs in MLflow."""

from mlflow.exceptions import MlflowException

from lkm_tune.tracking.experiments import open_client


def trial_of_run(tracking_uri: str, run_id: str) -> str | None:
    """The key of the trial of an MLflow run; None if there is no such run."""
    try:
        run = open_client(tracking_uri).get_run(run_id)
    except MlflowException:
        return None
    trial: str | None = run.data.tags.get("lkm.trial")
    return trial
