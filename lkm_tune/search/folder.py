"""Where things of a study lie on disk."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from lkm_tune.search.files import read_json, write_whole
from lkm_tune.study import Study, TrialSpec, study_from_dict, study_to_dict
from lkm_tune.training import Checkpoints, TrainingRun, save_model


class TrialFolder:
    """The folder of one trial: checkpoints while it runs, `model.safetensors` once complete."""

    def __init__(self, path: Path) -> None:
        """Nothing is made on disk yet."""
        self.path = path
        self.checkpoints = Checkpoints(path)

    @property
    def model(self) -> Path:
        """The trained network, for `lkm-tune predict`."""
        return self.path / "model.safetensors"

    def save_model(self, run: TrainingRun) -> None:
        """Keeps the network of a finished run.

        It is written in the attempt's own folder: a worker that was cut off and its successor must
        not write into one file.
        """
        written = self.checkpoints.own_attempt() / self.model.name
        save_model(run, written)
        written.replace(self.model)


class StudyFolder:
    """The folder of one study, `DIR/studies/NAME`."""

    def __init__(self, storage: Path, name: str) -> None:
        """Nothing is made on disk yet."""
        self.path = storage.resolve() / "studies" / name
        self.ledger = self.path / "ledger.jsonl"
        self.study = self.path / "study.json"
        self.data = self.path / "data.json"
        self.lock = self.path / "driver.lock"
        self.use = self.path / "use.json"
        self.report = self.path / "report"
        self.cells = self.path / "cells"

    def trial(self, spec: TrialSpec) -> TrialFolder:
        """The folder of one trial."""
        return TrialFolder(self.path / "trials" / spec.key)

    def read_study(self) -> Study | None:
        """The study as it was last run, None if it never was."""
        if not self.study.exists():
            return None
        return study_from_dict(read_json(self.study))

    def write_study(self, study: Study) -> None:
        """Keeps the study as it is run now."""
        write_whole(self.study, json.dumps(study_to_dict(study), indent=1))

    def data_digests(self) -> dict[str, str]:
        """The digest of the file that each task is read from, as `keep_data` noted it."""
        return dict(read_json(self.data)) if self.data.exists() else {}

    def keep_data(self, digests: Mapping[str, str]) -> list[str]:
        """Notes which file each task is read from.

        Returns:
            The tasks that were read from another file before; nothing is noted if there are any.
        """
        before = self.data_digests()
        other = [task for task, value in digests.items() if before.get(task, value) != value]
        if not other:
            write_whole(self.data, json.dumps({**before, **digests}, indent=1))
        return other

    def put_aside(self) -> Path:
        """Moves everything of the study, the lock aside, into a folder that it returns."""
        old = self.path / "before" / time.strftime("%Y%m%d-%H%M%S")
        old.mkdir(parents=True)
        for path in self.path.iterdir():
            if path.name != "before" and path.stem != self.lock.stem:
                path.rename(old / path.name)
        return old
