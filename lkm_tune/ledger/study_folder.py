"""Where things of a study lie on disk."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lkm_tune.files import read_json, write_text
from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.study import Study, study_from_dict, study_to_dict


class StudyFolder:
    """The folder of one study, `DIR/studies/NAME`, on a disk of the driver's machine."""

    def __init__(self, storage: Path, name: str, checkpoints: str | None = None) -> None:
        """Nothing is made on disk yet.

        Args:
            storage: DIR.
            name: of the study.
            checkpoints: the address in an object store, or the folder, where the files of trials
                lie; None for the study's folder. A folder must be seen by all nodes.
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
        self.looks = self.path / "looks.json"
        self.report = self.path / "report"
        self.cells = self.path / "cells"
        self.trials = f"{checkpoints.rstrip('/')}/{name}" if checkpoints else f"{self.path}/trials"
        # A storage folder may be moved as a whole.
        self._place = self.trials if checkpoints else "the study's folder"
        self._place_noted = self.path / "checkpoints.txt"

    def read_study(self) -> Study | None:
        """The study as it was last run, None if it never was."""
        if not self.study.exists():
            return None
        return study_from_dict(read_json(self.study))

    def write_study(self, study: Study) -> None:
        """Keeps the study as it is run now."""
        write_text(self.study, json.dumps(study_to_dict(study), indent=1))

    def data_digests(self) -> dict[str, str]:
        """The digest of the file that each task is read from, as `note_data` noted it."""
        return dict(read_json(self.data)) if self.data.exists() else {}

    def note_data(self, digests: Mapping[str, str]) -> list[str]:
        """Notes which file each task is read from.

        Returns:
            The tasks that were read from another file before; nothing is noted if there are any.
        """
        before = self.data_digests()
        other = [task for task, value in digests.items() if before.get(task, value) != value]
        if not other:
            write_text(self.data, json.dumps({**before, **digests}, indent=1))
        return other

    def data_remarks(self) -> dict[str, list[str]]:
        """What was left out or changed while each task's file was read, as `note_remarks` noted."""
        return dict(read_json(self.remarks)) if self.remarks.exists() else {}

    def note_remarks(self, remarks: Mapping[str, Sequence[str]]) -> None:
        """Notes what was left out or changed while each task's file was read."""
        write_text(self.remarks, json.dumps({**self.data_remarks(), **remarks}, indent=1))

    def read_facts(self) -> StudyFacts:
        """What the study's networks and data say of its runs, as far as it was noted."""
        kept = read_json(self.facts) if self.facts.exists() else {}
        return StudyFacts.from_dict(kept, self.data_digests())

    def write_facts(self, facts: StudyFacts) -> None:
        """Notes what the study's networks and data say of its runs."""
        kept = asdict(facts)
        del kept["data"]
        write_text(self.facts, json.dumps(kept, indent=1))

    def note_place(self) -> None:
        """Notes where the files of trials lie.

        Raises:
            ValueError: if they lay elsewhere before: running trials would begin again.
        """
        if self._place_noted.exists():
            before = self._place_noted.read_text(encoding="utf-8")
            if before != self._place:
                raise ValueError(
                    f"the files of this study's trials lie in {before}, and not in {self._place}: "
                    "give --checkpoints (LKM_TUNE_CHECKPOINTS) as before"
                )
        else:
            write_text(self._place_noted, self._place)

    def put_aside(self) -> Path:
        """Moves everything of the study, the lock aside, into a folder that it returns."""
        old = self.path / "before" / time.strftime("%Y%m%d-%H%M%S")
        old.mkdir(parents=True)
        for path in self.path.iterdir():
            if path.name != "before" and path.stem != self.lock.stem:
                path.rename(old / path.name)
        return old


def study_folders(storage: Path) -> list[StudyFolder]:
    """The folders of all studies that were run with a storage folder, by name."""
    names = sorted(path.parent.name for path in storage.glob("studies/*/study.json"))
    return [StudyFolder(storage, name) for name in names]


def ledger_stamp(storage: Path) -> list[list[str | int]]:
    """Sizes and times of files: they change whenever the table of runs of a storage folder does."""
    files = [
        file
        for folder in study_folders(storage)
        for file in (folder.study, folder.ledger, folder.data, folder.facts)
        if file.exists()
    ]
    stats = [(str(file.relative_to(storage.resolve())), file.stat()) for file in files]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
