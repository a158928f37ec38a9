"""The views of all studies in memory; a thread reads a study again when its files change.

Pages show the last view and never wait for a reading, except the first.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lkm_tune import app
from lkm_tune.app import LkmTuneError, StudyView, Submission

SCAN_SECONDS = 1.0
STOP_SECONDS = 2.0
"""Longest wait for a reading at the end of the server."""
SHARE = 0.1
"""Largest share of a core for reading one study again and again."""


@dataclass(frozen=True)
class Entry:
    """A study as it was last read.

    Attributes:
        name: its name.
        version: grows with every change, and is never used twice.
        view: what pages show; None for a study that has not begun, or cannot be read.
        problem: why it cannot be read; "" if it can.
        submission: the file and the output of a study that was started here; None without.
        figures: the SVG of each curve.
        asked: what the server asked of its driver that is not done yet, in words.
        kept: answers made from this view, by their kind.
    """

    name: str
    version: int
    view: StudyView | None
    problem: str
    submission: Submission | None
    figures: tuple[str, ...]
    asked: str = ""
    kept: dict[object, bytes] = field(default_factory=dict)

    def answer(self, kind: object, make: Callable[[], bytes]) -> bytes:
        """An answer that depends on this view alone, made once."""
        if kind not in self.kept:
            self.kept[kind] = make()
        return self.kept[kind]

    @property
    def changed(self) -> float:
        """The time of its last change, in seconds since 1970."""
        if self.view is not None:
            return self.view.listed.changed
        return self.submission.begun if self.submission else 0.0

    @property
    def state(self) -> str:
        """Its state, in words."""
        if self.asked:
            return self.asked
        if self.view is not None:
            return self.view.listed.status.state
        if self.submission and self.submission.failure:
            return f"failed to start: {self.submission.failure}"
        return self.problem or "has not begun"

    @property
    def can(self) -> str:
        """What a reader may ask of its driver: `interrupt`, `continue`, or "" for nothing."""
        if self.asked:
            return "interrupt" if self.asked.startswith("starting") else ""
        if self.view is None:
            return "continue" if self.submission else ""
        status = self.view.listed.status
        return "interrupt" if status.driver else "" if status.finished else "continue"


class Studies:
    """All studies of a storage folder."""

    def __init__(self, storage: Path) -> None:
        """Reads nothing yet."""
        self._storage = storage
        self._entries: dict[str, Entry] = {}
        self._stamps: dict[str, object] = {}
        self._rests: dict[str, float] = {}
        self._version = 0
        self._kept: dict[object, bytes] = {}
        self._kept_of = -1
        self._wake, self._ended = threading.Event(), threading.Event()
        self._read_once = threading.Event()
        self._turn = threading.Condition()
        self._begun = self._done = 0  # Looks.
        self._at_once: set[str] = set()
        self._thread = threading.Thread(target=self._watch, name="studies", daemon=True)

    def start(self) -> None:
        """Begins to watch the folder."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch."""
        self._ended.set()
        self._wake.set()
        # A reading that never ends, as from a lost network disk, does not hold the server.
        self._thread.join(STOP_SECONDS)

    @property
    def version(self) -> int:
        """Grows with every change of any study."""
        return self._version

    @property
    def ready(self) -> bool:
        """Whether every study has been read once."""
        return self._read_once.is_set()

    def wait(self, seconds: float) -> None:
        """Waits for the first reading."""
        self._read_once.wait(seconds)

    def all(self) -> list[Entry]:
        """Every study, the last changed first."""
        return sorted(self._entries.values(), key=lambda entry: (-entry.changed, entry.name))

    def get(self, name: str) -> Entry | None:
        """One study; None if there is none of this name."""
        return self._entries.get(name)

    def answer(self, kind: object, make: Callable[[], bytes]) -> bytes:
        """An answer that depends on all studies, made once for each version."""
        version = self._version
        if self._kept_of != version:
            self._kept, self._kept_of = {}, version
        if kind not in self._kept:
            self._kept[kind] = make()
        return self._kept[kind]

    def look_again(self, name: str, seconds: float) -> None:
        """Wakes the watch, and waits until it has looked at all studies after this call.

        A study that was just read rests for a time, except the study `name`.
        """
        with self._turn:
            self._at_once.add(name)
            goal = self._begun + 1
            self._wake.set()
            self._turn.wait_for(lambda: self._done >= goal, seconds)

    def _look(self, at_once: set[str]) -> None:
        now = time.monotonic()
        names = app.study_folder_names(self._storage)
        for name in self._entries.keys() - set(names):
            self._entries = {k: e for k, e in self._entries.items() if k != name}
            self._stamps.pop(name, None)
            self._version += 1
        for name in names:
            # The stamp is taken first: a change during the reading makes another reading.
            stamp = _stamp(name, self._storage)
            rests = name not in at_once and now < self._rests.get(name, 0.0)
            if stamp != self._stamps.get(name) and not rests:
                self._read(name)
                self._stamps[name] = stamp
        self._read_once.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            app.reap()
            with self._turn:
                self._begun += 1
                at_once, self._at_once = self._at_once, set()
            self._look(at_once)
            with self._turn:
                self._done = self._begun
                self._turn.notify_all()
            self._wake.wait(SCAN_SECONDS)
            self._wake.clear()

    def _read(self, name: str) -> None:
        begun = time.monotonic()
        view: StudyView | None = None
        problem, figures = "", tuple[str, ...]()
        submission: Submission | None = None
        asked = ""
        try:
            asked = app.asked_of_driver(name, self._storage)
            submission = app.submission(name, self._storage)
            if app.has_begun(name, self._storage):
                view = app.view_study(name, self._storage)
                figures = tuple(app.draw_curve(curve) for curve in view.curves)
        except LkmTuneError as error:
            problem = str(error)
        except OSError as error:
            problem = f"the files of the study cannot be read: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001 - a damaged file must not end the watch
            problem = f"the study cannot be read: {type(error).__name__}: {error}"
        entry = Entry(name, self._version + 1, view, problem, submission, figures, asked)
        self._entries = {**self._entries, name: entry}
        # Only now: an answer of the new version must rest on the new entry.
        self._version = entry.version
        ended = time.monotonic()
        self._rests[name] = ended + (ended - begun) / SHARE - (ended - begun)


def _stamp(name: str, storage: Path) -> object:
    """The stamp of a study; an error as text if its files cannot be looked at."""
    try:
        return app.study_stamp(name, storage)
    except OSError as error:
        return str(error)
