"""Which study is meant: a file, a shipped name, a mapping or a `Study`; and what was run."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import Study, find_study, load_study, study_to_dict

StudyLike = Study | Mapping[str, Any] | str | PathLike[str]
"""A study: the path of its file, the name of a shipped one, the content of a file, or a `Study`."""

Storage = str | PathLike[str]
"""The folder that holds all studies and MLflow's database."""


def storage_path(storage: Storage) -> Path:
    """The absolute path of a storage folder."""
    return Path(storage).expanduser().resolve()


def read_study(study: StudyLike, overrides: Iterable[str] = ()) -> Study:
    """The study, checked as a file is.

    Args:
        study: see `StudyLike`.
        overrides: texts `key=value`, as `search.trials=20`, that replace what the study says.

    Raises:
        StudyError: with every problem of the study and of the overrides.
    """
    # The models bring torch, which a question about finished studies does not need.
    from lkm_tune.app.catalog import make_catalog

    if isinstance(study, Study):
        return load_study(study_to_dict(study), make_catalog(), overrides)
    if isinstance(study, Mapping):
        return load_study(study, make_catalog(), overrides)
    return load_study(find_study(str(study)), make_catalog(), overrides)


def study_name(study: StudyLike) -> str:
    """The name under which a study was run.

    A path stands for the study that has the name of its file: a command that ran `mine.yaml`
    finds its results with `mine.yaml`.
    """
    if isinstance(study, Study):
        return study.name
    if isinstance(study, Mapping):
        return str(study.get("name", ""))
    text = str(study)
    return Path(text).stem if text.endswith((".yaml", ".yml")) else text


def stored_studies(storage: Path) -> list[str]:
    """The names of the studies that have been run in a storage folder."""
    return sorted(path.parent.name for path in storage.glob("studies/*/study.json"))


def study_names(storage: Path, study: StudyLike | None = None) -> list[str]:
    """The studies that have been run in a storage folder, or the one asked for.

    Raises:
        FileNotFoundError: if there is none, or not this one; names the studies that there are.
    """
    names = stored_studies(storage)
    if study is None:
        if not names:
            raise FileNotFoundError(f"no study has been run in {storage}")
        return names
    name = study_name(study)
    if name not in names:
        known = ", ".join(names) or "none"
        raise FileNotFoundError(f"study {name} has not been run in {storage}; there are: {known}")
    return [name]


def stored_study(storage: Path, study: StudyLike) -> tuple[Study, StudyFolder]:
    """A study as it was last run, and its folder.

    Raises:
        FileNotFoundError: if it has not been run in the storage folder.
    """
    (name,) = study_names(storage, study)
    folder = StudyFolder(storage, name)
    kept = folder.read_study()
    if kept is None:
        raise FileNotFoundError(f"study {name} has not been run in {storage}")
    return kept, folder
