"""Removes a study with all its files and MLflow runs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.app.errors import user_errors
from lkm_tune.app.interruptions import named_interruptions
from lkm_tune.app.studies import (
    Storage,
    StudyLike,
    storage_path,
    stored_study,
    study_folder_names,
    study_name,
)
from lkm_tune.ledger.lock import hold
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.outbox import OUTBOX


@dataclass(frozen=True)
class StudyRemains:
    """The files and MLflow experiments of a study.

    Attributes:
        name: the name of the study.
        folder: the folder of the study, with its results and the results that `--fresh` set aside.
        elsewhere: other folders and addresses in an object store with files of the study.
        experiments: names of its experiments in MLflow.
    """

    name: str
    folder: Path
    elsewhere: tuple[str, ...]
    experiments: tuple[str, ...]


def study_remains(study: StudyLike, storage: Storage = "lkm-runs") -> StudyRemains:
    """The files and experiments that `remove_study` would remove.

    Raises:
        LkmTuneError: if the study has not run in the storage folder, or MLflow cannot be
            reached.
    """
    from lkm_tune.tracking.removal import experiments_of

    with user_errors():
        place = storage_path(storage)
        folder = _folder(place, study)
        return StudyRemains(
            folder.path.name,
            folder.path,
            tuple(_elsewhere(place, folder)),
            tuple(experiments_of(tracking_uri(place), *_in_mlflow(folder))),
        )


def remove_study(study: StudyLike, storage: Storage = "lkm-runs") -> None:
    """Removes the folder of a study, its checkpoints and its experiments in MLflow, for good.

    Other study folders keep their files and experiments.

    Raises:
        LkmTuneError: if the study has not run in the storage folder, a driver runs it, MLflow
            cannot be reached, or files cannot be removed.
    """
    from lkm_tune.tracking.removal import delete_experiments
    from lkm_tune.training.file_store import remove_place

    with user_errors():
        place = storage_path(storage)
        folder = _folder(place, study)
        with named_interruptions(folder.path), hold(folder.lock):
            delete_experiments(tracking_uri(place), *_in_mlflow(folder))
            for other in _elsewhere(place, folder):
                remove_place(other)
            # The folder goes last, so an interrupted removal can be repeated.
            shutil.rmtree(folder.path)


def _folder(storage: Path, study: StudyLike) -> StudyFolder:
    """The folder of a study, also of a study that was sent to a server and never began."""
    name = study_name(study)
    if name in study_folder_names(storage):
        folder = StudyFolder(storage, name)
        if folder.submitted.exists() and not folder.study.exists():
            return folder
    return stored_study(storage, study)[1]


def _in_mlflow(folder: StudyFolder) -> tuple[StudyIdentity, Path]:
    return StudyIdentity.of(folder.path, folder.path.name), folder.path / OUTBOX


def _elsewhere(storage: Path, folder: StudyFolder) -> list[str]:
    artifacts = storage / "artifacts" / folder.path.name
    return [*folder.places_elsewhere(), *([str(artifacts)] if artifacts.exists() else [])]
