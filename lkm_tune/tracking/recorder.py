"""The recorder: takes down what happens in a study and has it delivered to MLflow."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lkm_tune.study import Cell, Study, TrialSpec
from lkm_tune.tracking import records
from lkm_tune.tracking.delivery import Delivery, Writer
from lkm_tune.tracking.outbox import OUTBOX, Outbox, Record


class StudyRecorder:
    """Records the trials of a study; every call returns at once.

    What is recorded lies on disk before a method returns. A thread delivers it to MLflow, in
    order and in batches, and goes on trying while MLflow is down; what is not delivered when
    the process ends, the next recorder on the same folder delivers. Recording the same again
    (a trial that is run again after a crash) changes nothing. One recorder a study at a time.
    """

    def __init__(
        self,
        study: Study,
        folder: Path,
        tracking_uri: str,
        artifact_root: Path | None = None,
        interval: float = 2.0,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Open the outbox and begin to deliver what an earlier recorder left in it.

        Args:
            study: The study. Its name is that of the MLflow experiment.
            folder: The study's folder, where the outbox lies.
            tracking_uri: The MLflow, as `tracking_uri` gives it.
            artifact_root: Folder under which a study's files lie when MLflow is a database.
            interval: Seconds over which records are gathered into batches, at least.
            data: The digest of the file that each task is read from, where it is known.

        Raises:
            OSError: The outbox cannot be opened.
        """
        artifacts = None if artifact_root is None else artifact_root / study.name

        def connect() -> Writer:
            # Here, in the thread: importing MLflow takes seconds.
            from lkm_tune.tracking.writer import MlflowWriter

            return MlflowWriter(tracking_uri, study.name, artifacts)

        self.study = study
        self._data = data or {}
        self._cells: set[Cell] = set()
        self._outbox = Outbox(folder / OUTBOX, destination=tracking_uri)
        # How each run ended last, "" for one that started again.
        self._ended: dict[str, str] = {}
        for record in self._outbox.search("start", "end"):
            self._remember(record)
        self._best = {r["run"]: r["tags"]["lkm.best_trial"] for r in self._outbox.search("model")}
        self._delivery = Delivery(self._outbox, connect, interval)

    def start(self, trial: TrialSpec, config: Mapping[str, Any]) -> None:
        """A trial starts or goes on.

        Args:
            trial: The trial.
            config: `RunConfig.to_dict()`, and where they are known `unit` (of the task's
                error), `loss` (of the prediction) and `normalisation` (of the targets).
        """
        self._open(trial.cell)
        self._note(records.trial_start(self.study, trial, config))

    def epoch(self, trial: TrialSpec, result: Mapping[str, Any]) -> None:
        """An epoch of a trial is over.

        Args:
            trial: The trial.
            result: `epoch` (from 1), `losses` (`total`, `prediction`, `kd`), `kd_ratio`
                (γ·L_KD / L_pred), `val_error` (the task's own unit), `lr`, `seconds`.
        """
        self._put(records.trial_epoch(trial, result))

    def end(
        self,
        trial: TrialSpec,
        outcome: str,
        summary: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """A trial has ended.

        Args:
            trial: The trial.
            outcome: `complete`, `stopped` (by the scheduler), `diverged`, `failed`, or
                `interrupted` (it goes on when the study does).
            summary: The fields of its `RunResult`, as far as they are known.
            reason: Why it ended so.

        Raises:
            ValueError: The outcome is none of these.
        """
        if outcome == "interrupted" and trial.key not in self._ended:
            # Handed out and not begun when the study was stopped: there is no run to end.
            return
        self._note(records.trial_end(trial, outcome, summary or {}, reason))

    def recall(
        self,
        trial: TrialSpec,
        config: Mapping[str, Any],
        outcome: str,
        summary: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """A trial is known to have ended; it is recorded unless it was already.

        For a driver that goes on where another was killed, perhaps between noting an end in
        its own books and recording it here. The arguments are those of `start` and `end`.
        """
        if self._ended.get(trial.key) != outcome:
            self.start(trial, config)
            self.end(trial, outcome, summary, reason)

    def curve_settings(self, cell: Cell, settings: Mapping[str, Any], phase: str) -> None:
        """The points of a cell's curve lie at these settings from now on.

        Args:
            cell: The cell.
            settings: The settings of one of its points; γ is left out.
            phase: `curve` or `control_curve`.
        """
        self._open(cell)
        self._put(records.cell_curve_settings(cell, settings, phase), sync=True)

    def log_curve(self, cell: Cell, folder: Path, sentence: str) -> None:
        """What the curve of a cell says.

        Args:
            cell: The cell.
            folder: Of the files that show it.
            sentence: The answer in words.
        """
        self._open(cell)
        for record in records.cell_curve(self.study, cell, str(folder.resolve()), sentence):
            self._put(record, sync=True)

    def finish_cell(self, cell: Cell, metrics: Mapping[str, Any]) -> None:
        """All trials and curve points of a cell have ended.

        Args:
            cell: The cell.
            metrics: Of what is best in it, to compare cells by.
        """
        self._open(cell)
        self._cells.discard(cell)
        self._put(records.cell_end(cell, metrics), sync=True)

    def log_model(self, trial: TrialSpec, file: Path, inputs: str, output: str) -> None:
        """The best network of a cell so far, for use through MLflow.

        Args:
            trial: The trial that trained it.
            file: Its model.safetensors.
            inputs: What it is given: `atoms`, `smiles` or `nodes`.
            output: What it predicts, with its unit.
        """
        if self._best.get(trial.cell.key) != trial.key:
            self._best[trial.cell.key] = trial.key
            self._open(trial.cell)
            record = records.cell_model(trial.cell, trial, str(file.resolve()), inputs, output)
            self._put(record, sync=True)

    def log_report(self, folder: Path) -> None:
        """The study's report is ready: its files go into a run named `report`."""
        for record in records.report_records(self.study, str(folder.resolve())):
            self._put(record, sync=True)

    def flush(self, timeout: float = 30.0) -> int:
        """Wait until everything recorded is in MLflow.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            How many records are not delivered yet.
        """
        return self._delivery.flush(timeout)

    def close(self, timeout: float = 30.0) -> int:
        """Deliver what is left and end.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            How many records were not delivered; the next recorder on the folder delivers them.
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
            self._put(records.cell_start(self.study, cell, self._data.get(cell.task, "")))

    def _note(self, record: Record) -> None:
        self._put(record, sync=record["kind"] == "end")
        self._remember(record)

    def _remember(self, record: Record) -> None:
        self._ended[record["run"]] = record["tags"].get("lkm.outcome", "")

    def _put(self, record: Record, sync: bool = False) -> None:
        self._outbox.append(record, sync)
        self._delivery.notify()
