"""Finds a study by a file, a shipped name, a mapping or a `Study`, and finds stored studies."""

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from lkm_tune.app.errors import user_errors
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import Study, find_study, load_study, study_to_file

StudyLike = Study | Mapping[str, Any] | str | PathLike[str]
"""The path of a study file, the name of a shipped study, the content of a file, or a `Study`."""

Storage = str | PathLike[str]
"""The folder of all studies and of MLflow's database."""


def storage_path(storage: Storage) -> Path:
    """The absolute path of a storage folder."""
    return Path(storage).expanduser().resolve()


def read_study(study: StudyLike, overrides: Iterable[str] = ()) -> Study:
    """The study, checked by the rules of a study file.

    Args:
        study: see `StudyLike`.
        overrides: texts such as `search.trials=20`, which replace keys of the study.

    Raises:
        StudyError: with every problem of the study and of the overrides.
    """
    # The models import torch; queries on finished studies do not need it.
    from lkm_tune.app.catalog import make_catalog

    if isinstance(study, Study):
        return load_study(study_to_file(study), make_catalog(), overrides)
    if isinstance(study, Mapping):
        return load_study(study, make_catalog(), overrides)
    return load_study(find_study(str(study)), make_catalog(), overrides)


def study_text(study: str) -> tuple[str, str]:
    """The name and the text of a study file, given by its path or by the name of a shipped study.

    Raises:
        LkmTuneError: if there is no such file, or it is no text.
    """
    with user_errors():
        path = find_study(study)
        return str(path), path.read_text(encoding="utf-8")


def study_name(study: StudyLike) -> str:
    """The name of a study.

    The path `mine.yaml` stands for the study `mine`.
    """
    if isinstance(study, Study):
        return study.name
    if isinstance(study, Mapping):
        return str(study.get("name", ""))
    text = str(study)
    return Path(text).stem if text.endswith((".yaml", ".yml")) else text


def stored_studies(storage: Path) -> list[str]:
    """The names of the studies in a storage folder."""
    return sorted(path.parent.name for path in storage.glob("studies/*/study.json"))


def study_folder_names(storage: Storage = "lkm-runs") -> list[str]:
    """The names of the studies of a storage folder, also of studies that have not begun.

    A folder that this user may not read may hold a study, too.
    """
    place = storage_path(storage)
    found = [*place.glob("studies/*/study.json"), *place.glob("studies/*/submitted.yaml")]
    folders = [path for path in place.glob("studies/*") if path.is_dir()]
    closed = [path.name for path in folders if not os.access(path, os.R_OK | os.X_OK)]
    return sorted({*(path.parent.name for path in found), *closed})


def study_names(storage: Path, study: StudyLike | None = None) -> list[str]:
    """The names of all studies in a storage folder, or the name of `study`.

    Raises:
        FileNotFoundError: if there is no such study; the error names the existing studies.
    """
    names = stored_studies(storage)
    if study is None:
        if not names:
            raise FileNotFoundError(f"no study has run in {storage}")
        return names
    name = study_name(study)
    if name not in names:
        known = ", ".join(names) or "none"
        raise FileNotFoundError(f"study {name} has not run in {storage}; there are: {known}")
    return [name]


def stored_study(storage: Path, study: StudyLike) -> tuple[Study, StudyFolder]:
    """A study as it last ran, and its folder.

    Raises:
        FileNotFoundError: if the study has not run in the storage folder.
    """
    (name,) = study_names(storage, study)
    folder = StudyFolder(storage, name)
    kept = folder.read_study()
    if kept is None:
        raise FileNotFoundError(f"study {name} has not run in {storage}")
    return kept, folder
