"""The recorder: a listener of the ledger that sends the events of a study to MLflow."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, Study, TrialSpec
from lkm_tune.tracking import messages
from lkm_tune.tracking.delivery import Delivery, Writer
from lkm_tune.tracking.outbox import OUTBOX, Message, Outbox


class StudyRecorder:
    """Records the trials of a study, as a `Listener` of its ledger; every call returns at once.

    A record is on disk before a method returns. A thread delivers records to MLflow, in order and
    in batches, and repeats its attempts while MLflow is down. The next recorder of the folder
    delivers records that remain at the end of the process. Repeated records (of a trial that runs
    again after a crash) change nothing. A study has one recorder at a time.
    """

    def __init__(
        self,
        study: Study,
        folder: Path,
        tracking_uri: str,
        artifact_root: Path | None = None,
        interval: float = 2.0,
        facts: StudyFacts | None = None,
        experiment: str | None = None,
    ) -> None:
        """Opens the outbox and starts to deliver, beginning with records of an earlier recorder.

        Args:
            study: The study.
            folder: The study's folder, which holds the outbox.
            tracking_uri: The address of MLflow, from `tracking_uri`.
            artifact_root: The folder of studies' files if MLflow is a database.
            interval: Shortest time in seconds between batches.
            facts: The facts on the study's networks and data.
            experiment: Name of the MLflow experiment; None for the name so far, which is first the
                name of the study.

        Raises:
            OSError: if the outbox cannot be opened.
        """
        own = StudyIdentity.of(folder, study.name)
        self._own = own if experiment is None else replace(own, experiment=experiment)
        self._folder = folder
        artifacts = None if artifact_root is None else artifact_root / study.name

        def connect() -> Writer:
            # This import is in the thread, because it takes seconds.
            from lkm_tune.tracking.writer import MlflowWriter

            return MlflowWriter(tracking_uri, self._own, folder / OUTBOX, artifacts)

        self.study = study
        self._facts = facts or StudyFacts()
        self._cells: set[Cell] = set()
        self._outbox = Outbox(folder / OUTBOX, destination=tracking_uri)
        # The last end of each run; "" for a run that started again.
        self._ended: dict[str, str] = {}
        for message in self._outbox.search("start", "end"):
            self._remember(message)
        self._best = {r["run"]: r["tags"]["lkm.best_trial"] for r in self._outbox.search("model")}
        self._delivery = Delivery(self._outbox, connect, interval)

    def check(self, timeout: float) -> None:
        """Wait until MLflow was reached or could not be, and remember the experiment.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            RefusedError: The experiment belongs to another study folder.
        """
        self._delivery.check(timeout)
        self._own.keep(self._folder)

    def began(self, record: TrialRecord) -> None:
        """A trial starts or continues."""
        self._open(record.spec.cell)
        self._note(messages.trial_start(self.study, self._facts, record))

    def reported(self, spec: TrialSpec, result: Mapping[str, Any]) -> None:
        """An epoch of a trial has ended.

        Args:
            spec: The trial.
            result: `epoch` (from 1), `losses` (`total`, `prediction`, `kd`), `kd_ratio`
                (γ·L_KD / L_pred), `val_error` (in the unit of the task), `lr`, `seconds`.
        """
        self._put(messages.trial_epoch(spec, result))

    def ended(self, record: TrialRecord) -> None:
        """A trial has ended; the end is recorded once."""
        key = record.spec.key
        if self._ended.get(key) == record.state:
            return
        if key not in self._ended:
            # A trial that broke during its setup has never started.
            self.began(record)
        self._note(messages.trial_end(self.study, self._facts, record))

    def interrupted(self, spec: TrialSpec) -> None:
        """The driver ends while a trial runs."""
        # A trial that never began has no run to end.
        if spec.key in self._ended:
            self._note(messages.trial_interrupted(spec))

    def log_printed(self, spec: TrialSpec, text: str) -> None:
        """The last lines that a failed trial printed."""
        self._put(messages.trial_printed(spec, text), sync=True)

    def curve_settings(self, cell: Cell, settings: Mapping[str, Any], phase: str) -> None:
        """The points of a cell's curve now have these settings.

        Args:
            cell: The cell.
            settings: The settings of one of its points; γ is ignored.
            phase: `curve` or `control_curve`.
        """
        self._open(cell)
        self._put(messages.cell_curve_settings(cell, settings, phase), sync=True)

    def log_curve(self, cell: Cell, folder: Path, sentence: str) -> None:
        """The answer of a cell's curve.

        Args:
            cell: The cell.
            folder: The folder of its files.
            sentence: The answer in words.
        """
        self._open(cell)
        for message in messages.cell_curve(self.study, cell, str(folder.resolve()), sentence):
            self._put(message, sync=True)

    def finish_cell(self, cell: Cell, metrics: Mapping[str, Any]) -> None:
        """All trials and curve points of a cell have ended.

        Args:
            cell: The cell.
            metrics: Its best figures, for comparisons between cells.
        """
        self._open(cell)
        self._cells.discard(cell)
        self._put(messages.cell_end(cell, metrics), sync=True)

    def log_model(self, trial: TrialSpec, file: Path, inputs: str, output: str) -> None:
        """The best network of a cell so far, for use through MLflow.

        Args:
            trial: The trial that trained it.
            file: Its model.safetensors.
            inputs: The kind of input: `atoms`, `smiles` or `nodes`.
            output: The predicted property with its unit.
        """
        if self._best.get(trial.cell.key) != trial.key:
            self._best[trial.cell.key] = trial.key
            self._open(trial.cell)
            message = messages.cell_model(trial.cell, trial, str(file.resolve()), inputs, output)
            self._put(message, sync=True)

    def log_report(self, folder: Path) -> None:
        """The study's report is ready; its files become artifacts of the run `report`."""
        for message in messages.report_messages(self.study, str(folder.resolve())):
            self._put(message, sync=True)

    def flush(self, timeout: float = 30.0) -> int:
        """Waits until all records are in MLflow.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The number of messages that are not delivered yet.
        """
        return self._delivery.flush(timeout)

    def close(self, timeout: float = 30.0) -> int:
        """Delivers the remaining messages and ends.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The number of messages that were not delivered; the next recorder delivers them.
        """
        left = self._delivery.close(timeout)
        self._outbox.close()
        return left

    def __enter__(self) -> "StudyRecorder":
        """The recorder, closed when the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _open(self, cell: Cell) -> None:
        if cell not in self._cells:
            self._cells.add(cell)
            self._put(messages.cell_start(self.study, cell, self._facts.data.get(cell.task, "")))

    def _note(self, message: Message) -> None:
        self._put(message, sync=message["kind"] == "end")
        self._remember(message)

    def _remember(self, message: Message) -> None:
        self._ended[message["run"]] = message["tags"].get("lkm.outcome", "")

    def _put(self, message: Message, sync: bool = False) -> None:
        self._outbox.append(message, sync)
        self._delivery.notify()
