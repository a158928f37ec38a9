"""The checks before the first trial of a study."""

from pathlib import Path

from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.events import Events
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.study_identity import StudyIdentity, check_experiment_name
from lkm_tune.search.checked_data import check_data
from lkm_tune.search.cluster.joining import connect
from lkm_tune.search.engine import Engine
from lkm_tune.study import Study, compare
from lkm_tune.tracking import StudyRecorder, tracking_uri
from lkm_tune.tracking.experiments import retire_experiment
from lkm_tune.tracking.outbox import OUTBOX

MLFLOW_SECONDS = 30.0
"""How long a study waits for an MLflow that does not answer: it then begins without."""


def open_engine(
    study: Study,
    folder: StudyFolder,
    storage: Path,
    address: str | None,
    wait: float,
    fresh: bool,
    experiment: str | None,
    events: Events,
) -> tuple[Engine, StudyRecorder]:
    """The engine of a study that has passed all checks, and the recorder for its runs in MLflow.

    Args:
        study: the study.
        folder: the folder of the study; the caller holds its lock.
        storage: the storage folder.
        address: the address of a running Ray; None starts Ray on this machine.
        wait: minutes to wait for the first node of a cluster that adds nodes on demand; 0 for a
            cluster with fixed nodes.
        fresh: whether to set earlier results aside.
        experiment: name of the MLflow experiment; None for the name so far.
        events: receives extensions, changes and results set aside.

    Raises:
        LkmTuneError: if a check fails; the error says what to do.
    """
    with user_errors():
        uri = tracking_uri(storage)  # An invalid address ends the command here.
        if experiment is not None:
            check_experiment_name(experiment)
        data, notes = check_data(study)
        if fresh and folder.study.exists():
            # MLflow first: otherwise a failure there would mix old runs with new runs.
            own = StudyIdentity.of(folder.path, study.name)
            retire_experiment(uri, own, folder.path / OUTBOX)
            events.remark(f"earlier results are kept in {folder.put_aside()}")
        _settle(folder, study, data, events)
        folder.note_remarks(notes)
        engine = Engine(study, folder)
        # MLflow is imported while Ray starts.
        recorder = StudyRecorder(
            study,
            folder.path,
            uri,
            storage / "artifacts",
            facts=folder.read_facts(),
            experiment=experiment,
        )
        try:
            if not engine.planner.finished:
                _join(engine, address, wait, events)
            recorder.check(MLFLOW_SECONDS)
        except BaseException:
            recorder.close(0.0)
            raise
    return engine, recorder


def _join(engine: Engine, address: str | None, wait: float, events: Events) -> None:
    connect(address)
    if wait:
        engine.wait_for_room(60 * wait)
    for node in engine.check_nodes():
        events.remark(f"a node is left out for a time: {node}")
    engine.find_room()


def _settle(folder: StudyFolder, study: Study, data: dict[str, str], events: Events) -> None:
    """Compares the study with the earlier study of its name, and stores it if they agree."""
    before = folder.read_study()
    if before is not None:
        change = compare(before, study)
        if change.mixes:
            differences = "\n  ".join(change.mixes)
            raise LkmTuneError(
                f"study {study.name} in {folder.path} ran with other settings:\n"
                f"  {differences}\n"
                "Their results are not comparable. Give the study another name, or set "
                "the earlier results aside with --fresh."
            )
        for sentence in change.extends:
            events.remark(f"extended: {sentence}")
        for sentence in change.free:
            events.remark(f"changed: {sentence}")
    if other := folder.note_data(data):
        raise LkmTuneError(
            f"study {study.name} in {folder.path} ran on another data file for "
            f"{', '.join(other)}: give `data.source` as the path of that file, give the study "
            "another name, or set the earlier results aside with --fresh"
        )
    folder.note_place()
    folder.write_study(study)
