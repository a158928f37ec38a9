"""The files of one trial: checkpoints while it runs, and its network after completion."""

from pathlib import Path

from lkm_tune.files import write_bytes
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import TrialSpec
from lkm_tune.training import Checkpoints, TrainingRun, model_file, open_store

MODEL = "model.safetensors"


class TrialFiles:
    """The files of one trial, in a folder that every node sees or in an object store."""

    def __init__(self, place: str) -> None:
        """Creates no files.

        Args:
            place: a folder that every node sees, or an address in an object store.
        """
        self.place = place
        self.store = open_store(place)
        self.checkpoints = Checkpoints(self.store)

    @classmethod
    def of(cls, folder: StudyFolder, spec: TrialSpec) -> "TrialFiles":
        """The files of a trial of the study in `folder`."""
        return cls(f"{folder.trials}/{spec.key}")

    def save_model(self, run: TrainingRun) -> None:
        """Saves the network of a finished run."""
        self.store.write(MODEL, model_file(run))


def local_model(folder: StudyFolder, spec: TrialSpec) -> Path:
    """The network of a complete trial as a local file.

    A network in an object store is copied once into the study's folder.

    Raises:
        OSError: if the network cannot be read.
    """
    path = folder.path / "trials" / spec.key / MODEL
    if not path.exists():
        write_bytes(path, TrialFiles.of(folder, spec).store.read(MODEL))
    return path
