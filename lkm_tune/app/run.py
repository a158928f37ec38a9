"""Runs a study: search, curves and report. The same call again continues or extends it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lkm_tune.app.errors import user_errors
from lkm_tune.app.events import Events
from lkm_tune.app.interruptions import named_interruptions
from lkm_tune.app.studies import Storage, StudyLike, read_study, storage_path
from lkm_tune.app.study_result import StudyResult
from lkm_tune.ledger.lock import hold
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.cluster.auth import choose_auth_mode


def run_study(
    study: StudyLike,
    storage: Storage = "lkm-runs",
    *,
    overrides: Iterable[str] = (),
    address: str | None = None,
    checkpoints: str | None = None,
    wait: float = 0.0,
    fresh: bool = False,
    experiment: str | None = None,
    events: Events | None = None,
) -> StudyResult:
    """Runs the rest of a study, and reports.

    Only the user can read the files of the study, unless `LKM_TUNE_SHARED` is 1.

    Args:
        study: a path, the name of a shipped study, the content of a study file, or a `Study`.
        storage: the folder of all studies and of MLflow's database.
        overrides: texts such as `search.trials=20`, which replace keys of the study.
        address: the address of a running Ray, such as "auto"; None starts Ray on this machine.
        checkpoints: object store for the files of trials, if nodes share no folder.
        wait: minutes to wait for the first node of a cluster that adds nodes on demand.
        fresh: whether to set earlier results of the study aside.
        experiment: name of the MLflow experiment for its runs; None for the name so far,
            which is first the name of the study.
        events: receives remarks and progress.

    Raises:
        LkmTuneError: if the study is invalid, differs from the earlier study of its name, already
            runs in another process, has an MLflow experiment of another study folder, or the
            storage cannot be written.
    """
    events = events or Events()
    place = storage_path(storage)
    # Ray reads the mode at its import, below and in the checks of models.
    choose_auth_mode(address)
    from lkm_tune.app.driver import drive
    from lkm_tune.app.preflight import open_engine

    with user_errors():
        checked = read_study(study, overrides)
    folder = StudyFolder(place, checked.name, checkpoints)
    with private_files(), named_interruptions(folder.path), hold(folder.lock):
        engine, recorder = open_engine(
            checked, folder, place, address, wait, fresh, experiment, events
        )
        return drive(engine, recorder, place, events)


@contextmanager
def private_files() -> Iterator[None]:
    """A context with a private umask, which trials on this machine inherit."""
    if os.environ.get("LKM_TUNE_SHARED") == "1":
        yield
        return
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
