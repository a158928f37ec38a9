"""Trains one network in this process, or one for each of several γ, without Ray."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lkm_tune.app.catalog import make_catalog
from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.events import Events
from lkm_tune.app.initial_weights import begin
from lkm_tune.datasets import MoleculeData, caution, content_digest
from lkm_tune.study import RunConfig, load_run_config
from lkm_tune.training import EpochResult, RunResult, TrainingRun, save_model, train_all


@dataclass(frozen=True)
class TrainedRun:
    """A training run that has ended.

    Attributes:
        result: the errors of the run.
        unit: unit of the errors.
        model: the file of the network; None if the run of `train_gammas` diverged.
    """

    result: RunResult
    unit: str
    model: Path | None


def train_run(
    config: RunConfig | str | Path | None = None,
    overrides: Iterable[str] = (),
    *,
    init: str | Path | None = None,
    init_config: str | Path | None = None,
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
    (run,) = _begin(config, overrides, None, init, init_config, device, events)
    history = _History(Path(out))
    for epoch in run.epochs():
        history.add(epoch)
        events.epoch(epoch, run.data.task.unit)
    trained = _finish(run, Path(out))
    if trained.model is None:
        raise LkmTuneError(f"diverged: {trained.result.reason}")
    return trained


def train_gammas(
    gammas: Sequence[float],
    config: RunConfig | str | Path | None = None,
    overrides: Iterable[str] = (),
    *,
    init: str | Path | None = None,
    init_config: str | Path | None = None,
    device: str = "cpu",
    out: str | Path = "lkm-train",
    events: Events | None = None,
) -> dict[float, TrainedRun]:
    """Trains one network for each γ of a sweep, in one program where this is faster.

    Each network has the numbers of `train_run` up to rounding. The files of a network are in the
    folder `gamma-0.01` of `out`, for γ = 0.01.

    Args:
        gammas: different strengths of mixing, each at least 0.
        config: as for `train_run`.
        overrides: as for `train_run`.
        init: as for `train_run`.
        init_config: as for `train_run`.
        device: as for `train_run`.
        out: the folder of the folders.
        events: receives every epoch of every γ.

    Returns:
        The run of each γ; a diverged run has the outcome `diverged`.

    Raises:
        LkmTuneError: if a run cannot start.
    """
    events = events or Events()
    runs = _begin(config, overrides, gammas, init, init_config, device, events)
    folders = {run.config.gamma: Path(out) / f"gamma-{run.config.gamma:g}" for run in runs}
    histories = {gamma: _History(folder) for gamma, folder in folders.items()}
    for trained in train_all(runs, events.remark):
        for run in trained:
            histories[run.config.gamma].add(run.history[-1])
            events.epoch_of(run.config.gamma, run.history[-1], run.data.task.unit)
    return {run.config.gamma: _finish(run, folders[run.config.gamma]) for run in runs}


def _begin(
    config: RunConfig | str | Path | None,
    overrides: Iterable[str],
    gammas: Sequence[float] | None,
    init: str | Path | None,
    init_config: str | Path | None,
    device: str,
    events: Events,
) -> list[TrainingRun]:
    """The run of a config, or one run of it for each γ."""
    with user_errors():
        if not isinstance(config, RunConfig):
            path = None if config is None else Path(config)
            config = load_run_config(path, make_catalog(), overrides)
        config, weights = begin(config, init, init_config)
        if gammas is not None:
            _check_gammas(gammas)
        configs = [replace(config, gamma=float(g)) for g in gammas or [config.gamma]]
        runs = [TrainingRun(each, device, weights=weights) for each in configs]
    data = runs[0].data
    if said := caution(content_digest(data.source)):
        events.remark(f"note: {said}")
    if isinstance(data, MoleculeData):
        for note in data.notes:
            events.remark(f"note: {note}")
    return runs


def _check_gammas(gammas: Sequence[float]) -> None:
    wrong = [g for g in gammas if not (math.isfinite(g) and g >= 0)]
    if wrong or not gammas or len({f"{g:g}" for g in gammas}) < len(gammas):
        raise ValueError(
            "gamma must be one number or different numbers, each finite and at least 0, got "
            + (", ".join(map(str, gammas)) or "none")
        )


class _History:
    """The file history.csv."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "history.csv"
        names = "epoch,total,prediction,kd,kd_ratio,val_error,lr,seconds"
        self._path.write_text(f"{names}\n", encoding="utf-8")

    def add(self, epoch: EpochResult) -> None:
        losses = [epoch.losses[name] for name in ("total", "prediction", "kd")]
        row = [epoch.epoch, *losses, epoch.kd_ratio, epoch.val_error, epoch.lr, epoch.seconds]
        with self._path.open("a", encoding="utf-8") as file:
            file.write(",".join(f"{value:.8g}" for value in row) + "\n")


def _finish(run: TrainingRun, folder: Path) -> TrainedRun:
    """Tests a run and writes its files."""
    result = run.result()
    _write_result(result, folder / "result.json")
    model = None if result.outcome == "diverged" else folder / "model.safetensors"
    if model is not None:
        save_model(run, model)
    return TrainedRun(result, run.data.task.unit, model)


def _write_result(result: RunResult, path: Path) -> None:
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in result.to_dict().items()
    }
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
