"""Drivers of studies as Ray jobs; a program, so that its caller does not import Ray.

`python -m lkm_tune.search.cluster.jobs submit DASHBOARD FOLDER COMMAND...` prints the id of the
job; `stop DASHBOARD FOLDER` stops the job of the study in FOLDER.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lkm_tune.masking import masked
from lkm_tune.search.cluster.auth import choose_auth_mode

FOLDER = "lkm_tune_folder"
"""The metadata of a job that names the folder of its study."""


def submit(dashboard: str, folder: str, command: Sequence[str]) -> str:
    """Submits the driver of the study in `folder`; returns the id of the job.

    The dashboard shows what the driver prints, and `output.log` in the folder keeps it.
    """
    driven = f"cd {shlex.quote(os.getcwd())} && {shlex.join(command)} 2>&1"
    script = f"{driven} | tee {shlex.quote(f'{folder}/output.log')}"
    job: str = _client(dashboard).submit_job(
        entrypoint=shlex.join(["bash", "-o", "pipefail", "-c", script]),
        metadata={FOLDER: folder},
        runtime_env={"env_vars": {**passed_on(os.environ), "PYTHONUNBUFFERED": "1"}},
    )
    return job


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of lkm-tune and the address of MLflow, for a job, without secrets.

    Everyone with the token of Ray can read the environment of its jobs.
    """
    names = ["MLFLOW_TRACKING_URI", "OMP_NUM_THREADS"]
    names += [name for name in environment if name.startswith("LKM_TUNE_")]
    found = {name: environment[name] for name in names if name in environment}
    secret = ("TOKEN", "PASSWORD", "DATABASE")
    return {
        name: value
        for name, value in found.items()
        if masked(value) == value and not name.endswith(secret)
    }


def stop(dashboard: str, folder: str) -> str:
    """Stops the job of the study in `folder`; returns its id.

    Raises:
        LookupError: if no job runs this study.
    """
    client = _client(dashboard)
    for job in client.list_jobs():
        if (job.metadata or {}).get(FOLDER) == folder and not job.status.is_terminal():
            client.stop_job(job.submission_id)
            return str(job.submission_id)
    raise LookupError(f"no job of Ray runs the study in {folder}")


def main(verb: str, dashboard: str, folder: str, *command: str) -> None:
    """Submits or stops, and prints the id of the job."""
    job = submit(dashboard, folder, command) if verb == "submit" else stop(dashboard, folder)
    sys.stdout.write(job)


def _client(dashboard: str) -> Any:
    # Ray reads the mode of its authentication at its import.
    choose_auth_mode(dashboard)
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(dashboard)


if __name__ == "__main__":
    main(*sys.argv[1:])
