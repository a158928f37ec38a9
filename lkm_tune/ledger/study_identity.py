"""Which study folder this is, wherever it lies, and which MLflow experiment has its runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lkm_tune.files import read_json, write_text

IDENTITY = "identity.json"
"""The name of the file in a study's folder."""

LONGEST_NAME = 256
"""Characters of an experiment's name that MLflow's databases hold."""

_CURE = (
    "restore it from a copy, or delete it: the folder then counts as another study, whose runs "
    "need an experiment of another name (--experiment NAME)"
)


@dataclass(frozen=True)
class StudyIdentity:
    """A study folder among all that write to one MLflow.

    Two folders may hold studies of one name; the UUID tells them apart.

    Attributes:
        study: its name.
        uuid: of the folder, drawn when the folder is made.
        experiment: name of the MLflow experiment for its runs.
    """

    study: str
    uuid: str
    experiment: str

    @classmethod
    def read(cls, folder: Path, study: str) -> "StudyIdentity | None":
        """The identity of a folder; None where it has none yet.

        Raises:
            ValueError: if its file is damaged; names it.
        """
        path = folder / IDENTITY
        if not path.exists():
            return None
        kept = read_json(path, _CURE)
        return cls(study, kept["uuid"], kept["experiment"])

    @classmethod
    def of(cls, folder: Path, study: str) -> "StudyIdentity":
        """The identity of a folder; one that has none, as those of earlier versions, gets one.

        Raises:
            ValueError: if its file is damaged; names it.
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
    """Checks a name that a user gives to an experiment.

    Raises:
        ValueError: if MLflow cannot hold it.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"--experiment must be a name of 1 to {LONGEST_NAME} printable characters, but is "
            f"{name!r}"
        )
