"""Runs a study: search, curves and report. The same call again continues or extends it."""

from collections.abc import Iterable

from lkm_tune.app.errors import user_errors
from lkm_tune.app.events import Events
from lkm_tune.app.interruptions import named_interruptions
from lkm_tune.app.result import StudyResult
from lkm_tune.app.studies import Storage, StudyLike, read_study, storage_path
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
    events: Events | None = None,
) -> StudyResult:
    """Runs what is left of a study, and reports.

    Args:
        study: a path, the name of a shipped study, the content of a study file, or a `Study`.
        storage: folder of all studies and of MLflow's database.
        overrides: texts `key=value`, as `search.trials=20`, that replace what the study says.
        address: a running Ray to join, as "auto"; None: one of this machine, for this run.
        checkpoints: object store for the files of trials, where nodes share no folder.
        wait: minutes to wait for the first node of a cluster that adds nodes by demand.
        fresh: whether earlier results of the study are put aside.
        events: hears remarks and progress.

    Raises:
        LkmTuneError: if the study is wrong, differs from what was run under its name, is run by
            another process, or the storage cannot be written.
    """
    events = events or Events()
    place = storage_path(storage)
    # Ray reads the mode when it is imported, which happens below and where models are checked.
    choose_auth_mode(address)
    from lkm_tune.app.driver import drive
    from lkm_tune.app.preflight import open_engine

    with user_errors():
        checked = read_study(study, overrides)
    folder = StudyFolder(place, checked.name, checkpoints)
    with named_interruptions(folder.path), hold(folder.lock):
        engine = open_engine(checked, folder, place, address, wait, fresh, events)
        return drive(engine, place, events)
