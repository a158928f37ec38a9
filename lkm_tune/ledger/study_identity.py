"""The identity of a study folder, which moves with it, and the MLflow experiment of its runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lkm_tune.files import read_json, write_text

IDENTITY = "identity.json"
"""The name of the file in a study's folder."""

LONGEST_NAME = 256
"""Longest name of an experiment in MLflow's databases, in characters."""

_CURE = (
    "restore it from a copy, or delete it: the folder then counts as another study, whose runs "
    "need an experiment of another name (--experiment NAME)"
)


@dataclass(frozen=True)
class StudyIdentity:
    """The identity of a study folder: several folders may write to one MLflow.

    Two folders may contain studies with the same name; their UUIDs differ.

    Attributes:
        study: the name of the study.
        uuid: the UUID of the folder, drawn when the folder is created.
        experiment: the name of the MLflow experiment of its runs.
    """

    study: str
    uuid: str
    experiment: str

    @classmethod
    def read(cls, folder: Path, study: str) -> "StudyIdentity | None":
        """The identity of a folder; None if the folder has no identity yet.

        Raises:
            ValueError: if its file is damaged; the error names the file.
        """
        path = folder / IDENTITY
        if not path.exists():
            return None
        return read_json(
            path, lambda kept: cls(study, str(kept["uuid"]), str(kept["experiment"])), _CURE
        )

    @classmethod
    def of(cls, folder: Path, study: str) -> "StudyIdentity":
        """The identity of a folder; a folder of an earlier version gets a new identity.

        Raises:
            ValueError: if its file is damaged; the error names the file.
        """
        found = cls.read(folder, study)
        if found is None:
            found = cls(study, str(uuid4()), study)
            found.keep(folder)
        return found

    def keep(self, folder: Path) -> None:
        """Writes the identity into its folder."""
        kept = {"uuid": self.uuid, "experiment": self.experiment}
        write_text(folder / IDENTITY, json.dumps(kept))


def check_experiment_name(name: str) -> None:
    """Checks the name of an experiment from a user.

    Raises:
        ValueError: if MLflow cannot store the name.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"--experiment must be a name of 1 to {LONGEST_NAME} printable characters, but is "
            f"{name!r}"
        )
