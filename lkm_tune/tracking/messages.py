"""What is recorded of a study: the messages that the outbox keeps and MLflow gets.

A message is plain data and complete in itself, so that whoever finds it can deliver it without
the study: which run it belongs to, what kind it is and when it was made.

    start      the run exists and runs: name, tags, parameters, the run it belongs under
    epoch      the metrics of one epoch of training
    tags       facts that are learnt later
    end        how the run ended: MLflow's status, tags, final metrics
    artifacts  a folder whose files belong to the run
    model      a trained network that stands for the run
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
"""Which run holds the report of a study; keys of cells and trials always hold a `-`."""

MAX_PARAM, MAX_TAG = 6000, 8000
"""MLflow's limits in characters."""

INTERRUPTED = "interrupted"
"""The outcome of a run whose trial goes on when the study does."""

ROW = "lkm.row"
"""The tag of an ended run with its row of the table of runs, `reason` aside."""

# A diverged run has finished: it was trained as planned and its divergence is its result, a
# boundary of the curve. FAILED is kept for runs that broke, which someone has to look at.
STATUS = {
    "complete": "FINISHED",
    "diverged": "FINISHED",
    "stopped": "KILLED",
    INTERRUPTED: "KILLED",
    "infeasible": "FAILED",
    "failed": "FAILED",
}
"""MLflow's status for each way in which a trial ends."""

_FINAL = (
    "val_error",
    "test_error",
    "val_mean_error",
    "test_mean_error",
    "best_epoch",
    "n_parameters",
    "mixing_parameters",
    "seconds",
)


def canonical(data: Any) -> str:
    """JSON with sorted keys: equal data give equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def cell_start(study: Study, cell: Cell, data_digest: str) -> Message:
    """The parent run of a cell runs.

    Args:
        study: The study of the cell.
        cell: The cell.
        data_digest: Of the file that its data are read from; "" where it is not known.
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
        # MLflow takes 36 characters of a digest.
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
        inputs: What it is given, a key of `model.INPUTS`.
        output: What it predicts, with its unit.
    """
    tags = {"lkm.best_trial": trial.key}
    return _message(cell.key, "model", file=file, inputs=inputs, output=output, tags=tags)


def cell_curve(study: Study, cell: Cell, folder: str, sentence: str) -> list[Message]:
    """What the curve of a cell says, and the files that show it.

    Args:
        study: The study of the cell.
        cell: The cell.
        folder: Of the files.
        sentence: The answer in words.
    """
    tags = {NOTE: cell_note(cell, sentence)}
    return [
        _message(cell.key, "tags", tags=tags),
        _message(cell.key, "artifacts", folder=folder, study=study_to_dict(study)),
    ]


def trial_start(study: Study, facts: StudyFacts, record: TrialRecord) -> Message:
    """A trial or curve point runs, under the run of its cell.

    Args:
        study: The study of the trial.
        facts: What the study's networks and data say of its runs.
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
    """One epoch of a trial: the fields of its `EpochResult`, `system` and `layers` where asked for.

    The validation error is in the task's own unit, `kd_ratio` is γ·L_KD / L_pred.
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
    """How a trial ended; its row of the table of runs comes with it, for `importer`.

    Of a long reason the end is kept, where errors say what they are.
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


def cell_end(cell: Cell, metrics: Mapping[str, Any]) -> Message:
    """All trials and curve points of a cell have ended, with what is best in it."""
    return _complete(cell.key, metrics)


def cell_curve_settings(cell: Cell, settings: Mapping[str, Any], phase: str) -> Message:
    """At which settings the points of a cell's current curve lie; γ is no part of them."""
    tags = {curve_tag(phase): canonical(without_gamma(settings))}
    return _message(cell.key, "tags", tags=tags)


def report_messages(study: Study, folder: str) -> list[Message]:
    """The report of a study, in a run of its own beside the cells."""
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
    """A readable name, as `search 0007 γ=0.02`, `curve γ=0.01 seed=2`, `control curve seed=2`."""
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
    """Every setting of the run by its plain name, as the study file has it."""
    config = study.run_config(trial).to_dict()
    flat: dict[str, Any] = dict(facts.models.get(trial.cell.model, {}))
    for part in ("data", "training", "lkm", "model_settings"):
        flat.update(config.get(part, {}))
    flat.update(trial.settings)
    if (gamma := trial.settings["gamma"]) > 0:
        # MLflow draws parameters on linear axes only.
        flat["log10_gamma"] = round(math.log10(gamma), 4)
    flat.update(model=trial.cell.model, task=trial.cell.task, n_train=trial.cell.n_train)
    flat.update(seed=trial.seed, epochs=trial.epochs, phase=trial.phase, number=trial.number)
    return {name: _text(value)[:MAX_PARAM] for name, value in flat.items()}


def errors_by_name(summary: Mapping[str, Any]) -> dict[str, float]:
    """The `test_errors` of a summary, which Tune hands on as `test_errors/NAME`."""
    flat = {k.partition("/")[2]: v for k, v in summary.items() if k.startswith("test_errors/")}
    return {**summary.get("test_errors", {}), **flat}


def _by_name(group: str, errors: Mapping[str, float]) -> dict[str, float]:
    """Metrics of the errors that stand beside the one that decides, as `val/forces`."""
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
