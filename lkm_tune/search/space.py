"""Search ranges, asked of an Optuna trial."""

from typing import Any

from optuna.trial import Trial

from lkm_tune.study import Choice, FloatRange, Phase, Range, Study


def suggest_settings(trial: Trial, study: Study, phase: Phase) -> dict[str, Any]:
    """Every searched setting of a trial; the control's γ is 0 and not searched."""
    fixed = {"gamma": 0.0} if phase == "control" else {}
    searched = {name: range_ for name, range_ in study.space.items() if name not in fixed}
    return fixed | {name: _suggest(trial, name, range_) for name, range_ in searched.items()}


def _suggest(trial: Trial, name: str, range_: Range) -> Any:
    if isinstance(range_, Choice):
        return trial.suggest_categorical(name, range_.values)
    if isinstance(range_, FloatRange):
        return trial.suggest_float(name, range_.low, range_.high, log=range_.log)
    return trial.suggest_int(name, range_.low, range_.high, log=range_.log)
