"""The folder of a study on disk."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lkm_tune.files import mapping, read_json, regular, write_text
from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.study_identity import IDENTITY
from lkm_tune.study import Study, study_from_dict, study_to_file

_OWN_PLACE = "the study's folder"


class StudyFolder:
    """The folder of one study, `DIR/studies/NAME`, on a disk of the driver's machine."""

    def __init__(self, storage: Path, name: str, checkpoints: str | None = None) -> None:
        """Creates nothing on disk.

        Args:
            storage: DIR.
            name: the name of the study.
            checkpoints: the place of trials' files: an address in an object store, or a folder that
                all nodes see. None for the study's folder.
        """
        self.path = storage.resolve() / "studies" / name
        if checkpoints and "://" not in checkpoints:
            checkpoints = str(Path(checkpoints).expanduser().resolve())
        self.ledger = self.path / "ledger.jsonl"
        self.study = self.path / "study.json"
        self.data = self.path / "data.json"
        self.facts = self.path / "facts.json"
        self.remarks = self.path / "data_remarks.json"
        self.lock = self.path / "driver.lock"
        self.use = self.path / "use.json"
        self.left_out = self.path / "left_out.json"
        self.looks = self.path / "looks.json"
        self.signs = self.path / "signs.json"
        self.report = self.path / "report"
        self.submitted = self.path / "submitted.yaml"
        self.output = self.path / "output.log"
        self.cells = self.path / "cells"
        self.printed = self.path / "printed"
        self.trials = f"{checkpoints.rstrip('/')}/{name}" if checkpoints else f"{self.path}/trials"
        # A user may move a storage folder as a whole.
        self._place = self.trials if checkpoints else _OWN_PLACE
        self._place_noted = self.path / "checkpoints.txt"

    def read_study(self) -> Study | None:
        """The study as it last ran; None if it never ran."""
        if not self.study.exists():
            return None
        return read_json(self.study, lambda kept: study_from_dict(mapping(kept)))

    def write_study(self, study: Study) -> None:
        """Writes the study as it runs now, as a study file: JSON is YAML."""
        write_text(self.study, json.dumps(study_to_file(study), indent=1))

    def data_digests(self) -> dict[str, str]:
        """The digest of the data file of each task, from `note_data`."""
        return read_json(self.data, mapping) if self.data.exists() else {}

    def note_data(self, digests: Mapping[str, str]) -> list[str]:
        """Records the data file of each task.

        Returns:
            The tasks that had another file before. If there are any, nothing is recorded.
        """
        before = self.data_digests()
        other = [task for task, value in digests.items() if before.get(task, value) != value]
        if not other:
            write_text(self.data, json.dumps({**before, **digests}, indent=1))
        return other

    def data_remarks(self) -> dict[str, list[str]]:
        """The remarks on molecules left out or changed in each task, from `note_remarks`."""
        return read_json(self.remarks, mapping) if self.remarks.exists() else {}

    def note_remarks(self, remarks: Mapping[str, Sequence[str]]) -> None:
        """Records the remarks on molecules left out or changed in each task."""
        write_text(self.remarks, json.dumps({**self.data_remarks(), **remarks}, indent=1))

    def read_facts(self) -> StudyFacts:
        """The recorded facts on the study's networks and data."""
        data = self.data_digests()
        if not self.facts.exists():
            return StudyFacts(data=data)
        return read_json(self.facts, lambda kept: StudyFacts.from_dict(mapping(kept), data))

    def write_facts(self, facts: StudyFacts) -> None:
        """Records the facts on the study's networks and data."""
        kept = asdict(facts)
        del kept["data"]
        write_text(self.facts, json.dumps(kept, indent=1))

    def note_place(self) -> None:
        """Records the place of the files of trials.

        Raises:
            ValueError: if the place has changed: running trials would begin again.
        """
        if self._place_noted.exists():
            before = regular(self._place_noted).read_text(encoding="utf-8")
            if before != self._place:
                raise ValueError(
                    f"the files of this study's trials lie in {before}, not in {self._place}: "
                    "give --checkpoints (LKM_TUNE_CHECKPOINTS) as before"
                )
        else:
            write_text(self._place_noted, self._place)

    def noted_trials(self) -> str:
        """Where the files of trials lie, as `note_place` noted it."""
        if self._place_noted.exists():
            noted = regular(self._place_noted).read_text(encoding="utf-8")
            if noted != _OWN_PLACE:
                return noted
        return f"{self.path}/trials"

    def places_elsewhere(self) -> list[str]:
        """Folders and addresses outside the study's folder with files of its trials.

        Those of results that were put aside are among them.
        """
        noted = [self._place_noted, *sorted(self.path.glob(f"before/*/{self._place_noted.name}"))]
        found = {path.read_text(encoding="utf-8") for path in noted if path.exists()}
        return sorted(found - {_OWN_PLACE})

    def put_aside(self) -> Path:
        """Moves everything of the study, lock and identity aside, into a folder that it returns."""
        old = self.path / "before" / time.strftime("%Y%m%d-%H%M%S")
        old.mkdir(parents=True)
        for path in self.path.iterdir():
            if path.name not in ("before", IDENTITY) and path.stem != self.lock.stem:
                path.rename(old / path.name)
        return old


def study_folders(storage: Path) -> list[StudyFolder]:
    """The folders of all studies in a storage folder, by name."""
    names = sorted(path.parent.name for path in storage.glob("studies/*/study.json"))
    return [StudyFolder(storage, name) for name in names]


def ledger_stamp(storage: Path) -> list[list[str | int]]:
    """Sizes and times of files, which change with the table of runs of a storage folder."""
    files = [
        file
        for folder in study_folders(storage)
        for file in (folder.study, folder.ledger, folder.data, folder.facts)
        if file.exists()
    ]
    stats = [(str(file.relative_to(storage.resolve())), file.stat()) for file in files]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
