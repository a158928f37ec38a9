"""The checks before the first trial of a study: what is wrong is found before any work starts."""

from pathlib import Path

from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.events import Events
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.checked_data import check_data
from lkm_tune.search.cluster.nodes import check_nodes
from lkm_tune.search.engine import Engine, connect
from lkm_tune.study import Study, compare
from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.experiments import retire_experiment


def open_engine(
    study: Study,
    folder: StudyFolder,
    storage: Path,
    address: str | None,
    wait: float,
    fresh: bool,
    events: Events,
) -> Engine:
    """The engine of a study that nothing known keeps from running.

    Args:
        study: to run.
        folder: of the study, held by the caller.
        storage: of all studies.
        address: of a running Ray, None for one of this machine.
        wait: for how many minutes the first node of a cluster that adds them by demand is waited
            for; 0 for one whose nodes are there.
        fresh: whether earlier results are put aside.
        events: hears what was extended, changed or put aside.

    Raises:
        LkmTuneError: naming what is wrong, and what to do.
    """
    with user_errors():
        tracking_uri(storage)  # Refused before there is work to lose.
        data, notes = check_data(study)
        if fresh and folder.study.exists():
            # First: what is put aside here alone would be mixed with the new runs in MLflow.
            retire_experiment(tracking_uri(storage), study.name)
            events.remark(f"earlier results are kept in {folder.put_aside()}")
        _settle(folder, study, data, events)
        folder.note_remarks(notes)
        engine = Engine(study, folder)
        if not engine.planner.finished:
            connect(address)
            if wait:
                engine.wait_for_room(60 * wait)
            check_nodes(folder.trials)
            engine.find_room()
    return engine


def _settle(folder: StudyFolder, study: Study, data: dict[str, str], events: Events) -> None:
    """Compares the study with what has been run under its name, and keeps it if they agree."""
    before = folder.read_study()
    if before is not None:
        change = compare(before, study)
        if change.mixes:
            differences = "\n  ".join(change.mixes)
            raise LkmTuneError(
                f"study {study.name} in {folder.path} was run with other settings:\n"
                f"  {differences}\n"
                "Results of both cannot stand side by side. Give the study another name, or put "
                "the earlier results aside with --fresh."
            )
        for sentence in change.extends:
            events.remark(f"extended: {sentence}")
        for sentence in change.free:
            events.remark(f"changed: {sentence}")
    if other := folder.note_data(data):
        raise LkmTuneError(
            f"study {study.name} in {folder.path} was run on another data file for "
            f"{', '.join(other)}: give `data.source` as the path of that file, give the study "
            "another name, or put the earlier results aside with --fresh"
        )
    folder.note_place()
    folder.write_study(study)
