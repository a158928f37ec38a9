"""The messages of a study, which the outbox stores and the writer puts into MLflow.

A message is complete plain data: a driver can deliver it without the study. It has its run, its
kind and its time:

    start      a run starts: name, tags, parameters, parent run
    epoch      the metrics of one epoch of training
    tags       later facts
    end        the end of the run: MLflow's status, tags, final metrics
    text       a file of the run, with its text
    artifacts  a folder of files of the run
    model      the trained network of the run
"""

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.run_table import RowMaker
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.trials import without_gamma
from lkm_tune.study import Cell, Study, TrialSpec, digest, study_to_dict
from lkm_tune.tracking.notes import NOTE, REPORT_NOTE, cell_note
from lkm_tune.tracking.outbox import Message
from lkm_tune.versions import code_commit, package_versions

REPORT = "report"
"""The key of the run of a study's report; keys of cells and trials always contain a `-`."""

MAX_PARAM, MAX_TAG = 6000, 8000
"""MLflow's limits in characters."""

INTERRUPTED = "interrupted"
"""The outcome of a run whose trial continues when the study is continued."""

ROW = "lkm.row"
"""The tag of an ended run with its row of the table of runs, without `reason`."""

# A diverged run is finished: its divergence is a valid result, a boundary of the curve. FAILED
# marks broken runs, which need attention.
STATUS = {
    "complete": "FINISHED",
    "diverged": "FINISHED",
    "stopped": "KILLED",
    INTERRUPTED: "KILLED",
    "infeasible": "FAILED",
    "failed": "FAILED",
}
"""State of an ended trial -> MLflow's status."""

_FINAL = (
    "val_error", "test_error", "val_mean_error", "test_mean_error", "best_epoch", "n_parameters",
    "mixing_parameters", "seconds",
)  # fmt: skip


def canonical(data: Any) -> str:
    """JSON with sorted keys: equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def cell_start(study: Study, cell: Cell, data_digest: str) -> Message:
    """The parent run of a cell starts.

    Args:
        study: The study of the cell.
        cell: The cell.
        data_digest: Digest of its data file; "" if unknown.
    """
    facts = {"model": cell.model, "task": cell.task, "n_train": cell.n_train}
    tags = {**_common_tags(study, cell), "lkm.kind": "cell", NOTE: cell_note(cell)}
    params = {**facts, **study.models.get(cell.model, {}), **dict(cell.compared)}
    return _message(
        cell.key,
        "start",
        name=str(cell),
        tags=tags,
        params={name: _text(value)[:MAX_PARAM] for name, value in params.items()},
        # MLflow accepts 36 characters of a digest.
        dataset={
            "name": cell.task,
            "digest": data_digest[:36],
            "source": study.data_plan(cell.task).source or "auto",
        },
        study=study_to_dict(study),
    )


def cell_model(cell: Cell, trial: TrialSpec, file: str, inputs: str, output: str) -> Message:
    """The best network of a cell.

    Args:
        cell: The cell.
        trial: The trial that trained it.
        file: Its model.safetensors.
        inputs: The kind of input, a key of `model.INPUTS`.
        output: The predicted property with its unit.
    """
    tags = {"lkm.best_trial": trial.key}
    return _message(cell.key, "model", file=file, inputs=inputs, output=output, tags=tags)


def cell_curve(study: Study, cell: Cell, folder: str, sentence: str) -> list[Message]:
    """The answer of a cell's curve, and its files.

    Args:
        study: The study of the cell.
        cell: The cell.
        folder: The folder of the files.
        sentence: The answer in words.
    """
    tags = {NOTE: cell_note(cell, sentence)}
    return [
        _message(cell.key, "tags", tags=tags),
        _message(cell.key, "artifacts", folder=folder, study=study_to_dict(study)),
    ]


def trial_start(study: Study, facts: StudyFacts, record: TrialRecord) -> Message:
    """A trial or curve point starts; its parent is the run of its cell.

    Args:
        study: The study of the trial.
        facts: The facts on the study's networks and data.
        record: The trial in the ledger.
    """
    trial, row = record.spec, RowMaker(study, facts).row(record)
    tags = {
        **_common_tags(study, trial.cell),
        "lkm.kind": "trial",
        "lkm.phase": trial.phase,
        "lkm.trial": trial.key,
        "lkm.settings": canonical(dict(trial.settings)),
        **{f"lkm.{name}": row[name] for name in ("unit", "scale")},
    }
    return _message(
        trial.key,
        "start",
        name=run_name(trial),
        tags=tags,
        params=_parameters(study, facts, trial),
        parent=trial.cell.key,
    )


def trial_epoch(trial: TrialSpec, result: Mapping[str, Any]) -> Message:
    """One epoch of a trial: the fields of its `EpochResult`, and optional `system` and `layers`.

    The validation error is in the unit of the task; `kd_ratio` is γ·L_KD / L_pred.
    """
    metrics = {f"train/{name}": value for name, value in result["losses"].items()}
    metrics["train/kd_ratio"] = result["kd_ratio"]
    metrics["val/error"] = result["val_error"]
    metrics |= _by_name("val", result.get("val_errors", {}))
    metrics |= {f"system/{name}": value for name, value in result.get("system", {}).items()}
    metrics |= {f"layers/{name}": value for name, value in result.get("layers", {}).items()}
    metrics["lr"] = result["lr"]
    metrics["seconds"] = result["seconds"]
    return _message(trial.key, "epoch", epoch=int(result["epoch"]), metrics=_numbers(metrics))


def trial_end(study: Study, facts: StudyFacts, record: TrialRecord) -> Message:
    """The end of a trial, with its row of the table of runs for `importer`.

    A long reason is cut to its end, which names the error.
    """
    summary, row = record.summary, RowMaker(study, facts).row(record)
    reason = row.pop("reason")[-MAX_TAG:]
    final = {name: summary[name] for name in _FINAL if summary.get(name) is not None}
    other = _by_name("final/test", errors_by_name(summary))
    return _message(
        record.spec.key,
        "end",
        status=STATUS[record.state],
        tags={
            "lkm.outcome": record.state,
            "lkm.reason": reason,
            "lkm.device": row["device"],
            "lkm.protocol": row["protocol"],
            ROW: canonical(row),
        },
        metrics=_numbers({f"final/{name}": value for name, value in final.items()} | other),
    )


def trial_interrupted(trial: TrialSpec) -> Message:
    """The driver ended while a trial ran."""
    tags = {"lkm.outcome": INTERRUPTED, "lkm.reason": "the study was interrupted"}
    return _message(trial.key, "end", status=STATUS[INTERRUPTED], tags=tags, metrics={})


def trial_printed(trial: TrialSpec, text: str) -> Message:
    """The last lines that a failed trial printed."""
    return _message(trial.key, "text", file="printed.log", text=text)


def cell_end(cell: Cell, metrics: Mapping[str, Any]) -> Message:
    """All trials and curve points of a cell have ended; `metrics` are its best figures."""
    return _complete(cell.key, metrics)


def cell_curve_settings(cell: Cell, settings: Mapping[str, Any], phase: str) -> Message:
    """The settings, without γ, of the points of a cell's current curve."""
    tags = {curve_tag(phase): canonical(without_gamma(settings))}
    return _message(cell.key, "tags", tags=tags)


def report_messages(study: Study, folder: str) -> list[Message]:
    """The report of a study, in a separate run."""
    tags = {
        "lkm.study": study.name,
        "lkm.study_digest": digest(study),
        "lkm.kind": "report",
        NOTE: REPORT_NOTE,
        "mlflow.source.name": "lkm-tune",
    }
    return [
        _message(REPORT, "start", name=REPORT, tags=tags, params={}),
        _message(REPORT, "artifacts", folder=folder, study=study_to_dict(study)),
        _complete(REPORT, {}),
    ]


def curve_tag(phase: str) -> str:
    """The tag of a cell's run that holds the settings of its `curve` or `control_curve`."""
    return f"lkm.{phase}_settings"


def run_name(trial: TrialSpec) -> str:
    """A readable name: `search 0007 γ=0.02`, `curve γ=0.01 seed=2`, `control curve seed=2`."""
    if trial.phase == "curve":
        return f"curve γ={trial.settings['gamma']:g} seed={trial.seed}"
    if trial.phase == "control_curve":
        return f"control curve seed={trial.seed}"
    name = f"{trial.phase} {trial.number:04d}"
    return f"{name} γ={trial.settings['gamma']:.2g}" if trial.phase == "search" else name


def _common_tags(study: Study, cell: Cell) -> dict[str, str]:
    return {
        "lkm.study": study.name,
        "lkm.study_digest": digest(study),
        "lkm.cell": cell.key,
        "lkm.model": cell.variant,
        "lkm.task": cell.task,
        "lkm.versions": package_versions(),
        "mlflow.source.name": "lkm-tune",
        "mlflow.source.git.commit": code_commit(),
    }


def _parameters(study: Study, facts: StudyFacts, trial: TrialSpec) -> dict[str, str]:
    """Every setting of the run, by its name in the study file."""
    config = study.run_config(trial).to_dict()
    flat: dict[str, Any] = dict(facts.models.get(trial.cell.model, {}))
    for part in ("data", "training", "lkm", "model_settings"):
        flat.update(config.get(part, {}))
    flat.update(trial.settings)
    if (gamma := trial.settings["gamma"]) > 0:
        # MLflow draws parameters only on linear axes.
        flat["log10_gamma"] = round(math.log10(gamma), 4)
    flat.update(model=trial.cell.model, task=trial.cell.task, n_train=trial.cell.n_train)
    flat.update(seed=trial.seed, epochs=trial.epochs, phase=trial.phase, number=trial.number)
    return {name: _text(value)[:MAX_PARAM] for name, value in flat.items()}


def errors_by_name(summary: Mapping[str, Any]) -> dict[str, float]:
    """The `test_errors` of a summary, which Tune flattens to `test_errors/NAME`."""
    flat = {k.partition("/")[2]: v for k, v in summary.items() if k.startswith("test_errors/")}
    return {**summary.get("test_errors", {}), **flat}


def _by_name(group: str, errors: Mapping[str, float]) -> dict[str, float]:
    """Metrics of the other errors, such as `val/forces`."""
    return {f"{group}/{name}": value for name, value in errors.items() if name != "error"}


def _message(run: str, kind: str, **content: Any) -> Message:
    return {"run": run, "kind": kind, "time": time.time_ns() // 1_000_000, **content}


def _complete(run: str, metrics: Mapping[str, Any]) -> Message:
    tags = {"lkm.outcome": "complete"}
    return _message(run, "end", status=STATUS["complete"], tags=tags, metrics=_numbers(metrics))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
