"""The writer: puts each message of a study into MLflow once."""

import getpass
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from lkm_tune.ledger.study_identity import StudyIdentity
from lkm_tune.tracking.experiments import UUID, open_client, open_experiment, runs_of
from lkm_tune.tracking.mlflow_errors import FAILURES, brief, unreachable
from lkm_tune.tracking.model import mlflow_model
from lkm_tune.tracking.outbox import Message
from lkm_tune.tracking.run_update import KnownRun, RunUpdate, identity, known_run

logger = logging.getLogger(__name__)

MAX_METRICS, MAX_PARAMS = 800, 100
"""MLflow's limits of a `log_batch`: 1,000 items, among them 100 parameters and 100 tags."""

BEST_MODEL = "best_model"
"""The best network among the files of a cell's run: `runs:/RUN_ID/best_model`."""

_REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS")
"""Permanent errors: sending the message again gives the same error."""


class _RefusedError(Exception):
    """A message that MLflow can never take."""


class MlflowWriter:
    """Writes to the experiment of one study folder.

    Tags identify runs, so a message that arrives twice, also from another process, is written once.
    One process writes a study at a time.
    """

    def __init__(self, uri: str, own: StudyIdentity, outbox: Path, artifacts: Path | None) -> None:
        """Finds the experiment and its runs, or creates the experiment.

        Args:
            uri: The address of MLflow.
            own: The study folder.
            outbox: The file of all messages of the study folder, delivered or not.
            artifacts: The folder of its runs' files.

        Raises:
            RefusedError: The experiment is another study folder's.
            UnreachableError: if MLflow cannot be reached now.
        """
        self._marks = {UUID: own.uuid, "mlflow.user": _user()}
        try:
            self._client = open_client(uri)
            self._experiment, self.is_new = open_experiment(
                self._client, uri, own, outbox, artifacts
            )
            self._runs = {} if self.is_new else self._find_runs()
        except FAILURES as error:
            raise unreachable(error) from error

    def write(self, messages: Sequence[Message]) -> list[tuple[Message, str]]:
        """Writes messages; see `Writer`."""
        updates: dict[str, RunUpdate] = {}
        refused = []
        for message in messages:
            if "run" in message:
                updates.setdefault(message["run"], RunUpdate()).add(message)
            else:
                refused.append((message, "the line is no message"))
        for key, update in updates.items():
            try:
                self._apply(key, update)
            except _RefusedError as error:
                refused += [(r, str(error)) for r in update.messages]
            except MlflowException as error:
                if error.error_code not in _REFUSED:
                    raise unreachable(error) from error
                refused += [(r, brief(error)) for r in update.messages]
            except FAILURES as error:
                raise unreachable(error) from error
        return refused

    def _apply(self, key: str, update: RunUpdate) -> None:
        run = self._runs.get(key)
        if run is None:
            if update.start is None:
                raise _RefusedError(f"the run {key} never started")
            run = self._runs[key] = self._create(update.start, update.tags)
        self._log(run, update)
        for message in update.folders:
            self._log_folder(run, message)
        for message in update.texts:
            with _storing(f"what {key} printed"):
                self._client.log_text(run.run_id, message["text"], message["file"])
        if update.start is not None and "dataset" in update.start:
            self._log_origin(run, update.start)
        if update.model is not None:
            self._log_model(run, update.model)
        if update.end is not None:
            if run.status != update.end["status"]:
                run.status = update.end["status"]
                self._client.set_terminated(run.run_id, run.status, update.end["time"])
        elif update.start is not None and run.status != "RUNNING":
            run.status = "RUNNING"
            self._client.update_run(run.run_id, run.status)

    def _create(self, start: Message, tags: Mapping[str, str]) -> KnownRun:
        tags = {**tags, **self._marks}
        if parent := start.get("parent"):
            if parent not in self._runs:
                raise _RefusedError(f"the run {parent} above it never started")
            tags["mlflow.parentRunId"] = self._runs[parent].run_id
        run = self._client.create_run(
            self._experiment, start_time=start["time"], tags=tags, run_name=start["name"]
        )
        return KnownRun(run.info.run_id, run.info.status, tags, last_epoch=0)

    def _log(self, run: KnownRun, update: RunUpdate) -> None:
        """Logs the data that MLflow lacks, several epochs in one call."""
        groups = self._new_epochs(run, update.epochs)
        if update.end is not None:
            final = {
                name: value
                for name, value in update.end["metrics"].items()
                if name not in run.metrics or not _same(run.metrics[name], value)
            }
            groups.append([Metric(k, v, update.end["time"], 0) for k, v in final.items()])
            run.metrics |= final
        tags = {k: v for k, v in update.tags.items() if run.tags.get(k) != v}
        run.tags |= tags
        params = update.start["params"] if update.start else {}
        new = [Param(name, value) for name, value in params.items() if name not in run.params]
        run.params |= params.keys()
        batches: list[dict[str, Any]] = [{"metrics": metrics} for metrics in _pack(groups)]
        for i, begin in enumerate(range(0, len(new), MAX_PARAMS)):
            if i == len(batches):
                batches.append({})
            batches[i]["params"] = new[begin : begin + MAX_PARAMS]
        if tags:
            batches = batches or [{}]
            batches[-1]["tags"] = [RunTag(k, v) for k, v in tags.items()]
        for batch in batches:
            self._client.log_batch(run.run_id, **batch)

    def _log_folder(self, run: KnownRun, message: Message) -> None:
        folder = message["folder"]
        with _storing(f"the files of {folder}"):
            if not Path(folder).is_dir():
                raise FileNotFoundError(f"there is no folder {folder}")
            self._client.log_artifacts(run.run_id, folder)
            self._client.log_dict(run.run_id, message["study"], "study.json")

    def _log_origin(self, run: KnownRun, start: Message) -> None:
        """Logs the data and the study of a cell."""
        told = start["dataset"]
        dataset = Dataset(
            told["name"], told["digest"] or "unknown", "local", json.dumps({"uri": told["source"]})
        )
        self._client.log_inputs(run.run_id, [DatasetInput(dataset)])
        with _storing("the study of a cell"):
            self._client.log_dict(run.run_id, start["study"], "study.json")

    def _log_model(self, run: KnownRun, message: Message) -> None:
        with (
            _storing(f"the model {message['file']}"),
            mlflow_model(Path(message["file"]), message["inputs"], message["output"]) as folder,
        ):
            self._client.log_artifacts(run.run_id, str(folder), BEST_MODEL)

    def _new_epochs(self, run: KnownRun, messages: Sequence[Message]) -> list[list[Metric]]:
        """The metrics that MLflow lacks, one list per epoch."""
        if messages and run.last_epoch is None:
            history = self._client.get_metric_history(run.run_id, "val/error")
            run.last_epoch = max((metric.step for metric in history), default=0)
            run.best = min((m.value for m in history if math.isfinite(m.value)), default=math.inf)
        groups = []
        for message in messages:
            if message["epoch"] <= (run.last_epoch or 0):
                continue
            run.last_epoch = message["epoch"]
            metrics = dict(message["metrics"])
            if math.isfinite(metrics["val/error"]):
                run.best = min(run.best, metrics["val/error"])
            if math.isfinite(run.best):
                metrics["val/best_error"] = run.best
            groups.append(
                [Metric(k, v, message["time"], message["epoch"]) for k, v in metrics.items()]
            )
        return groups

    def _find_runs(self) -> dict[str, KnownRun]:
        """The runs of this study folder by what they are, the oldest of each."""
        known: dict[str, KnownRun] = {}
        where = f"tags.`{UUID}` = '{self._marks[UUID]}'"
        for run in runs_of(self._client, self._experiment, where):
            key = identity(run.data.tags)
            if key in known:
                # A server that took a run but whose answer was lost got it a second time;
                # messages only ever went to the first.
                self._client.delete_run(run.info.run_id)
            elif key:
                known[key] = known_run(run)
        return known


@contextmanager
def _storing(what: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        # A server may store its files in a place that this machine cannot write. Later metrics
        # must not wait for that.
        raise _RefusedError(f"{what} could not be stored: {error}") from error


def _pack(groups: Sequence[Sequence[Metric]]) -> Iterator[list[Metric]]:
    """Lists of whole groups, each list within the limits of a call."""
    batch: list[Metric] = []
    for group in groups:
        if batch and len(batch) + len(group) > MAX_METRICS:
            yield batch
            batch = []
        batch += group
    if batch:
        yield batch


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
