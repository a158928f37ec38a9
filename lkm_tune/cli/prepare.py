"""What happens before the first trial of a study: everything is looked at and told at once."""

from pathlib import Path

import click

from lkm_tune.cli.console import say
from lkm_tune.cli.options import user_errors
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.cluster.nodes import check_nodes
from lkm_tune.search.engine import Engine, check_data, connect
from lkm_tune.study import Study, compare
from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.experiments import retire_experiment


def prepare(
    study: Study,
    folder: StudyFolder,
    storage: Path,
    address: str | None,
    wait: float,
    fresh: bool,
) -> Engine:
    """Everything that can be found wrong before any work starts, is.

    Args:
        study: to run.
        folder: of the study, held by the caller.
        storage: of all studies.
        address: of a running Ray, None for one of this machine.
        wait: for how many minutes the first node of a cluster that adds them by demand is waited
            for; 0 for one whose nodes are there.
        fresh: whether earlier results are put aside.

    Raises:
        ClickException: saying what is wrong, and what to do.
    """
    with user_errors():
        tracking_uri(storage)  # Refused before there is work to lose.
        data = check_data(study)
        if fresh and folder.study.exists():
            # First: what is put aside here alone would be mixed with the new runs in MLflow.
            retire_experiment(tracking_uri(storage), study.name)
            say(f"earlier results are kept in {folder.put_aside()}")
        _settle(folder, study, data)
        engine = Engine(study, folder)
        if not engine.planner.finished:
            connect(address)
            if wait:
                engine.wait_for_room(60 * wait)
            check_nodes(folder.trials)
            engine.find_room()
    return engine


def _settle(folder: StudyFolder, study: Study, data: dict[str, str]) -> None:
    """Compares the study with what has been run under its name, and keeps it if they agree."""
    before = folder.read_study()
    if before is not None:
        change = compare(before, study)
        if change.mixes:
            differences = "\n  ".join(change.mixes)
            raise click.ClickException(
                f"study {study.name} in {folder.path} was run with other settings:\n"
                f"  {differences}\n"
                "Results of both cannot stand side by side. Give the study another name, or put "
                "the earlier results aside with --fresh."
            )
        for sentence in change.extends:
            say(f"extended: {sentence}")
        for sentence in change.free:
            say(f"changed: {sentence}")
    if other := folder.note_data(data):
        raise click.ClickException(
            f"study {study.name} in {folder.path} was run on another data file for "
            f"{', '.join(other)}: give `data.source` as the path of that file, give the study "
            "another name, or put the earlier results aside with --fresh"
        )
    folder.note_place()
    folder.write_study(study)
