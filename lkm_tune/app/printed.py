"""The output of trials: read on request, and stored for failed trials in the report and MLflow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study, study_names
from lkm_tune.files import write_text
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import TrialSpec

if TYPE_CHECKING:
    from lkm_tune.tracking import StudyRecorder

LAST_LINES = 100
"""Number of last lines that the report and MLflow have of a failed trial."""

MOST_NAMES = 10


def trial_log(trial: str, storage: Storage = "lkm-runs", study: StudyLike | None = None) -> str:
    """The output of a trial, with its warnings and the tracebacks of its broken attempts.

    Args:
        trial: the key of the trial, as tables and MLflow show it, or a part of only one key.
        storage: the storage folder.
        study: only this study.

    Returns:
        The text; "" if the trial printed nothing.

    Raises:
        LkmTuneError: if no trial, or several, have this name, or the files cannot be read.
    """
    with user_errors():
        place = storage_path(storage)
        folder, spec = _find(place, study_names(place, study), trial)
        return _printed(folder, spec)


def keep_last_lines(
    folder: StudyFolder, records: Iterable[TrialRecord], recorder: "StudyRecorder"
) -> None:
    """Stores the last lines of failed trials in the study's folder and in MLflow.

    Raises:
        OSError: if the files of the trials cannot be read.
    """
    for record in records:
        lines = _printed(folder, record.spec).splitlines()[-LAST_LINES:]
        path, text = _kept(folder, record.spec), "\n".join(lines)
        if lines and not (path.exists() and path.read_text(encoding="utf-8") == text):
            write_text(path, text)
            recorder.log_printed(record.spec, text)


def last_lines(folder: StudyFolder, records: Iterable[TrialRecord]) -> Mapping[str, str]:
    """The stored last lines of failed trials, by the key of the trial."""
    # One look into the folder instead of one for each trial.
    stored = set(folder.printed.glob("*.log"))
    kept = {record.spec.key: _kept(folder, record.spec) for record in records} if stored else {}
    return {key: path.read_text(encoding="utf-8") for key, path in kept.items() if path in stored}


def _kept(folder: StudyFolder, spec: TrialSpec) -> Path:
    return folder.printed / f"{spec.key.replace('/', '_')}.log"


def _printed(folder: StudyFolder, spec: TrialSpec) -> str:
    # This import loads torch, which a list of names does not need.
    from lkm_tune.search.printed import read_printed
    from lkm_tune.training import open_store

    return read_printed(open_store(f"{folder.noted_trials()}/{spec.key}"))


def _find(storage: Path, studies: Iterable[str], trial: str) -> tuple[StudyFolder, TrialSpec]:
    known = []
    for name in studies:
        study, folder = stored_study(storage, name)
        records = StudyTrials.read(study, folder.ledger).all_records()
        known += [(folder, record.spec) for record in records]
    found = [one for one in known if one[1].key == trial]
    found = found or [one for one in known if trial in one[1].key]
    if len(found) == 1:
        return found[0]
    shown = [f"{folder.path.name}: {spec.key}" for folder, spec in (found or known)[:MOST_NAMES]]
    more = len(found or known) - len(shown)
    names = "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
    said = f"{len(found)} trials have it" if found else "no trial has it"
    raise ValueError(
        f"{trial} must be the name of one trial, or a part that no other has (and --study the "
        f"study), but {said}: {names or 'none has begun'}"
    )
