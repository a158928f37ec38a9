"""The answers of all studies together, which a child process analyses again after new runs.

Pages and the API show the last answers meanwhile.
"""

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lkm_tune import app
from lkm_tune.app import LkmTuneError
from lkm_tune.serve.cache import STOP_SECONDS
from lkm_tune.serve.problems import Refused

LOOK_SECONDS, SHARE, MOST_KEPT = 5.0, 0.1, 500
"""Seconds between two looks, the largest share of a core for analyses, and kept questions."""


WIDTH = 100
"""Letters in a line of text."""


class Told(NamedTuple):
    """Answers as `app.best_gamma` and as `app.best_gamma_lines` give them."""

    answers: list[dict[str, Any]]
    lines: list[str]


class AnswerBook:
    """The last answers."""

    def __init__(self, storage: Path) -> None:
        """Analyses nothing yet."""
        self._storage = storage
        self._asked: dict[object, Told] = {}
        self._stamp = -1
        self._problem = ""
        self._working = threading.Event()
        self._ended = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="answers", daemon=True)
        self.stale = True

    @property
    def outdated(self) -> str:
        """In which way the answers are old, in a sentence; "" if they are not."""
        if not self.stale:
            return ""
        if self._problem:
            return f"Runs have ended since this analysis. A new analysis failed: {self._problem}"
        return "Runs have ended since this analysis. A new analysis comes by itself."

    def start(self) -> None:
        """Begins to keep the answers up to date."""
        self._working.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends an analysis that runs."""
        self._ended.set()
        if (child := self._child) is not None:
            child.terminate()
        self._thread.join(STOP_SECONDS)

    def ask(
        self,
        study: str | None,
        model: str | None,
        task: str | None,
        margin: float | None,
        width: int = WIDTH,
    ) -> Told:
        """The answers from the last analysis.

        Raises:
            Refused: if there is no such answer, or the first analysis is not done.
        """
        stamp = app.answers_stamp(self._storage)
        if stamp != self._stamp:
            self._asked, self._stamp = {}, stamp
        # A study's own report is a file of the study: it is read again each time.
        key = (model, task, margin, width)
        if study is None and key in self._asked:
            return self._asked[key]
        if study is None and not stamp:
            self._refuse_without_answers()
        try:
            question = self._storage, study, model, task, margin
            answers = app.best_gamma(*question, old=True)
            found = Told(answers, app.best_gamma_lines(*question, width, old=True))
        except LkmTuneError as error:
            raise Refused(404, str(error)) from error
        if study is None and len(self._asked) < MOST_KEPT:
            self._asked[key] = found
        return found

    def _refuse_without_answers(self) -> None:
        if self._working.is_set():
            raise Refused(503, "the answers are being made", headers={"retry-after": "5"})
        raise Refused(404, self._problem or "no study has an answer yet")

    def _watch(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            # A file may vanish or be damaged between two looks.
            with suppress(OSError, ValueError):
                self._keep_up()
            self._working.clear()
            self._ended.wait(max(LOOK_SECONDS, (time.monotonic() - begun) / SHARE))

    def _keep_up(self) -> None:
        self.stale = app.answers_are_old(self._storage)
        if self.stale and app.study_folder_names(self._storage):
            self._working.set()
            self._analyse()
            self.stale = app.answers_are_old(self._storage)

    def _analyse(self) -> None:
        command = [sys.executable, "-m", "lkm_tune.cli", "best-gamma", "--json"]
        self._child = subprocess.Popen(
            [*command, "--storage", str(self._storage)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        _, said = self._child.communicate()
        lines = said.strip().splitlines() if self._child.returncode else []
        self._problem = lines[-1].removeprefix("Error: ") if lines else ""
        self._child = None
