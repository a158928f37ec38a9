"""Suggestions of an Optuna trial for the search ranges."""

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from lkm_tune.study import SEARCHES, Choice, FloatRange, Phase, Range, Study


def suggest_settings(trial: Trial, study: Study, phase: Phase) -> dict[str, Any]:
    """Every searched setting of a trial; γ of the control is fixed at 0."""
    fixed = {"gamma": 0.0} if phase == "control" else {}
    searched = distributions(study, phase)
    return fixed | {name: _suggest(trial, name, study.space[name]) for name in searched}


def distributions(study: Study, phase: Phase) -> dict[str, BaseDistribution]:
    """The distributions of a phase's settings, by name; none for curve points."""
    if phase not in SEARCHES:
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
