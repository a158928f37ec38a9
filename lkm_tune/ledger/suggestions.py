"""Search ranges, asked of an Optuna trial."""

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from lkm_tune.study import Choice, FloatRange, Phase, Range, Study


def suggest_settings(trial: Trial, study: Study, phase: Phase) -> dict[str, Any]:
    """Every searched setting of a trial; the control's γ is 0 and not searched."""
    fixed = {"gamma": 0.0} if phase == "control" else {}
    searched = distributions(study, phase)
    return fixed | {name: _suggest(trial, name, study.space[name]) for name in searched}


def distributions(study: Study, phase: Phase) -> dict[str, BaseDistribution]:
    """What the trials of a phase are drawn from, by name; nothing for points of curves."""
    if phase not in ("search", "control"):
        return {}
    names = [name for name in study.space if phase == "search" or name != "gamma"]
    return {name: _distribution(study.space[name]) for name in names}


def _suggest(trial: Trial, name: str, range_: Range) -> Any:
    if isinstance(range_, Choice):
        return trial.suggest_categorical(name, range_.values)
    if isinstance(range_, FloatRange):
        return trial.suggest_float(name, range_.low, range_.high, log=range_.log)
    return trial.suggest_int(name, range_.low, range_.high, log=range_.log)


def _distribution(range_: Range) -> BaseDistribution:
    if isinstance(range_, Choice):
        return CategoricalDistribution(range_.values)
    if isinstance(range_, FloatRange):
        return FloatDistribution(range_.low, range_.high, log=range_.log)
    return IntDistribution(range_.low, range_.high, log=range_.log)
