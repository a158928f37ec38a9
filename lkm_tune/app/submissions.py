"""Studies that a server started: their files, their processes, and what these printed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.files import regular, write_text
from lkm_tune.ledger.lock import holder, noted_holder
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.study_identity import IDENTITY
from lkm_tune.printable import printable
from lkm_tune.study import study_to_file

LAST_BYTES = 8_000
"""Kept length of what a driver printed."""


@dataclass(frozen=True)
class Submission:
    """A study that a server started.

    Attributes:
        begun: the time of its submission, in seconds since 1970.
        last_lines: the end of what its driver printed; "" while a driver runs the study.
        failure: the last line of a driver that ended before it had its lock; "" for any other.
    """

    begun: float
    last_lines: str
    failure: str = ""


def study_stamp(study: str, storage: Storage = "lkm-runs") -> object:
    """A value that changes when anything changes that a page shows of a study."""
    folder = StudyFolder(storage_path(storage), study)
    driver = holder(folder.lock)
    files = [
        folder.study, folder.submitted, folder.ledger, folder.use, folder.looks, folder.left_out,
        folder.report / "transfer.json", folder.signs, folder.data, folder.facts,
        folder.path / IDENTITY,
    ]  # fmt: skip
    if driver is None:
        files.append(folder.output)
    return driver, _asked_of(folder, driver), tuple(map(_state, files))


def asked_of_driver(study: str, storage: Storage = "lkm-runs") -> str:
    """What this process asked of a driver that has not done it yet, in words; "" for nothing."""
    folder = StudyFolder(storage_path(storage), study)
    return _asked_of(folder, holder(folder.lock))


def has_begun(study: str, storage: Storage = "lkm-runs") -> bool:
    """Whether a driver has stored the study."""
    return StudyFolder(storage_path(storage), study).study.exists()


def submission(study: str, storage: Storage = "lkm-runs") -> Submission | None:
    """How a server started a study; None if none did.

    Raises:
        LkmTuneError: if its output cannot be read.
    """
    folder = StudyFolder(storage_path(storage), study)
    if not folder.submitted.exists():
        return None
    begun, said = folder.submitted.stat().st_mtime, ""
    if folder.output.exists() and holder(folder.lock) is None:
        with user_errors(), regular(folder.output).open("rb") as file:
            file.seek(max(0, folder.output.stat().st_size - LAST_BYTES))
            said = printable(file.read().decode("utf-8", "replace"), keep="\n\t")
        if said.rstrip().endswith("\nKeyboardInterrupt"):
            said = "interrupted while it started"  # Python's traceback helps nobody.
    return Submission(begun, said, "" if folder.study.exists() else _failure(folder, said))


def stored_file(study: str, storage: Storage = "lkm-runs") -> str:
    """The text of the file with which a study continues.

    Raises:
        LkmTuneError: if there is no such study.
    """
    with user_errors():
        folder = StudyFolder(storage_path(storage), study)
        kept = folder.read_study()
        if kept is not None:
            return json.dumps(study_to_file(kept), indent=1)
        return regular(_submitted(folder)).read_text("utf-8")


def start_study(
    study: str,
    storage: Storage = "lkm-runs",
    *,
    text: str | None = None,
    address: str | None = None,
    jobs: str = "",
) -> str:
    """Starts the driver of a study, which goes on when this process ends.

    Args:
        study: the name of the study, which obeys the rule of names.
        storage: the storage folder.
        text: the study file, already checked; None continues the study as it last ran.
        address: the address of a running Ray; None starts Ray on this machine.
        jobs: the address of Ray's dashboard: Ray then runs the driver as a job. "": the driver is a
            process of this machine.

    Returns:
        The driver in words.

    Raises:
        LkmTuneError: if a driver already runs the study, there is no such study, or the driver
            cannot be started.
    """
    with user_errors():
        folder = StudyFolder(storage_path(storage), study)
        running = holder(folder.lock) or _started(folder)
        if running:
            raise LkmTuneError(f"study {study} already runs in {running}")
        folder.path.mkdir(parents=True, exist_ok=True)
        if text is not None:
            write_text(folder.submitted, text)
            file = folder.submitted
        elif (kept := folder.read_study()) is not None:
            folder.write_study(kept)  # Earlier versions wrote more than a study file may hold.
            file = folder.study
        else:
            file = _submitted(folder)
        command = [sys.executable, "-m", "lkm_tune.cli", "run", str(file)]
        command += ["--storage", str(storage_path(storage))]
        if address:
            command += ["--address", address]
        if not jobs:
            return f"process {_start(command, folder)}"
        return f"Ray job {_job('submit', jobs, str(folder.path), *command)}"


def interrupt_study(study: str, storage: Storage = "lkm-runs", *, jobs: str = "") -> str:
    """Interrupts the driver of a study as Ctrl-C does: the study can be continued.

    Args:
        study: the name of the study.
        storage: the storage folder.
        jobs: the address of Ray's dashboard, for drivers on other machines; "" without.

    Returns:
        What was interrupted, in words.

    Raises:
        LkmTuneError: if no driver runs the study, or it runs on another machine, out of reach.
    """
    folder = StudyFolder(storage_path(storage), study)
    running, noted = holder(folder.lock), noted_holder(folder.lock)
    if running is None:
        child = _CHILDREN.get(folder.path)
        if child and child.runs and not child.held:
            child.process.send_signal(signal.SIGINT)
            _INTERRUPTED[folder.path] = str(child)
            return str(child)
        raise LkmTuneError(f"no driver runs study {study}")
    if noted and noted.host == socket.gethostname() and _has_open(noted.pid, folder.lock):
        os.kill(noted.pid, signal.SIGINT)
        _INTERRUPTED[folder.path] = running
        return str(noted)
    if jobs:
        with user_errors():
            stopped = _job("stop", jobs, str(folder.path))
        _INTERRUPTED[folder.path] = running
        return f"Ray job {stopped}"
    raise LkmTuneError(f"study {study} runs in {running}, which this server cannot reach")


def _submitted(folder: StudyFolder) -> Path:
    if not folder.submitted.exists():
        raise FileNotFoundError(f"there is no study {folder.path.name}")
    return folder.submitted


def _start(command: Sequence[str], folder: StudyFolder) -> int:
    folder.output.unlink(missing_ok=True)  # It may be a pipe, whose opening would wait.
    with folder.output.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C for the server, and the end of its terminal, do not reach the study.
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    _CHILDREN[folder.path] = _Child(child)
    return child.pid


@dataclass
class _Child:
    """A driver that this process started.

    Attributes:
        process: its process.
        held: whether it has been seen with the lock of its study.
    """

    process: "subprocess.Popen[bytes]"
    held: bool = False

    def __str__(self) -> str:
        return f"process {self.process.pid}"

    @property
    def runs(self) -> bool:
        return self.process.poll() is None


_CHILDREN: dict[Path, _Child] = {}
"""Folder of a study -> the last driver that this process started."""

_INTERRUPTED: dict[Path, str] = {}
"""Folder of a study -> the driver that this process interrupted last, in words."""


def reap() -> None:
    """Waits for started drivers that have ended: until then, they are zombies."""
    for child in list(_CHILDREN.values()):
        child.process.poll()


def _started(folder: StudyFolder) -> str:
    """The driver that this process started if it still runs, with or without the lock."""
    child = _CHILDREN.get(folder.path)
    return str(child) if child and child.runs else ""


def _asked_of(folder: StudyFolder, driver: str | None) -> str:
    child = _CHILDREN.get(folder.path)
    if child and driver:
        child.held = True
    started, asked = _started(folder), _INTERRUPTED.get(folder.path)
    if asked and asked in (driver, started):
        return f"interrupting {asked}"
    if driver and not folder.study.exists():
        return f"starting in {driver}"
    if child and started and driver is None:
        return f"{'ending' if child.held else 'starting'} in {started}"
    return ""


def _failure(folder: StudyFolder, said: str) -> str:
    """Why a driver did not get as far as to store the study; "" if it may still do so."""
    child = _CHILDREN.get(folder.path)
    if (child and child.runs) or (child and str(child) == _INTERRUPTED.get(folder.path)):
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The driver of a Ray job, or of an earlier server, may still work: its error tells.
    if not child and not any(line.startswith(("Error: ", "Traceback (")) for line in lines):
        return ""
    last = lines[-1] if lines else f"exit code {child.process.returncode if child else 'unknown'}"
    return last.removeprefix("Error: ")


def _job(verb: str, *arguments: str) -> str:
    # Ray's import needs a second and much memory, so a child does this.
    command = [sys.executable, "-m", "lkm_tune.search.cluster.jobs", verb, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise OSError(f"Ray did not {verb} the job: {said[-1]}")
    return done.stdout.strip()


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open: the number of an ended process may be used again."""
    try:
        return any(Path(file.path) == path for file in psutil.Process(pid).open_files())
    except (psutil.Error, OSError):
        return False
