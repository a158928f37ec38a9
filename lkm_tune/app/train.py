"""Trains one network in this process, without Ray."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.app.catalog import make_catalog
from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.events import Events
from lkm_tune.app.initial_weights import begin
from lkm_tune.datasets import MoleculeData, caution, content_digest
from lkm_tune.study import RunConfig, load_run_config
from lkm_tune.training import RunResult, TrainingRun, save_model


@dataclass(frozen=True)
class TrainedRun:
    """A training run that has ended.

    Attributes:
        result: the errors of the run.
        unit: unit of the errors.
        model: the file of the network.
    """

    result: RunResult
    unit: str
    model: Path


def train_run(
    config: RunConfig | str | Path | None = None,
    overrides: Iterable[str] = (),
    *,
    init: Path | None = None,
    init_config: Path | None = None,
    device: str = "cpu",
    out: str | Path = "lkm-train",
    events: Events | None = None,
) -> TrainedRun:
    """Trains one network; writes model.safetensors, history.csv and result.json.

    Args:
        config: the run, or the path of a file from `export_settings`; None: `overrides` are the
            whole config.
        overrides: texts such as `training.lr=1e-3`, which replace keys of the file.
        init: the initial weights.
        init_config: JSON file with settings that the weights do not contain.
        device: the device of the training.
        out: the folder of the files.
        events: receives every epoch.

    Raises:
        LkmTuneError: if the run cannot start, or diverges.
    """
    events = events or Events()
    with user_errors():
        if not isinstance(config, RunConfig):
            path = None if config is None else Path(config)
            config = load_run_config(path, make_catalog(), overrides)
        config, weights = begin(config, init, init_config)
        run = TrainingRun(config, device, weights=weights)
    unit = run.data.task.unit
    if said := caution(content_digest(run.data.source)):
        events.remark(f"note: {said}")
    if isinstance(run.data, MoleculeData):
        for note in run.data.notes:
            events.remark(f"note: {note}")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _train(run, folder / "history.csv", events)
    result = run.result()
    _write_result(result, folder / "result.json")
    if result.outcome == "diverged":
        raise LkmTuneError(f"diverged: {result.reason}")
    save_model(run, folder / "model.safetensors")
    return TrainedRun(result, unit, folder / "model.safetensors")


def _train(run: TrainingRun, history: Path, events: Events) -> None:
    with history.open("w", encoding="utf-8") as file:
        file.write("epoch,total,prediction,kd,kd_ratio,val_error,lr,seconds\n")
        for epoch in run.epochs():
            losses = [epoch.losses[name] for name in ("total", "prediction", "kd")]
            row = [epoch.epoch, *losses, epoch.kd_ratio, epoch.val_error, epoch.lr, epoch.seconds]
            file.write(",".join(f"{value:.8g}" for value in row) + "\n")
            events.epoch(epoch, run.data.task.unit)


def _write_result(result: RunResult, path: Path) -> None:
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in result.to_dict().items()
    }
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
