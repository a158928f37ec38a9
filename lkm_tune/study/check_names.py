"""Rules on the names of a study: models, their settings, and searched settings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from lkm_tune.study.catalog import Catalog
from lkm_tune.study.check_tasks import check_tasks
from lkm_tune.study.plan import LkmOptions, TrainingPlan
from lkm_tune.study.problem import Finding, KeyPath, nearest, shown, unknown
from lkm_tune.study.space import Choice, FloatRange, Range
from lkm_tune.study.study import Study
from lkm_tune.study.validate import translated

Settings = Mapping[str, Mapping[str, Any]]
"""Every existing model of a study -> its settings with their defaults."""
Build = Callable[[str, Mapping[str, Any]], object]

NOT_SEARCHED = {
    "epochs": "every schedule spans the full budget, training.epochs",
    "seed": "every trial of a search trains with the study's seed",
    "eval_batch_size": "it does not change what the model learns",
    "divergence_factor": "it does not change what the model learns",
    "micro_batch_size": "it does not change what the model learns",
    "judged_by": "all trials are compared by one error",
    "matmul": "it does not change what the model learns",
    "deterministic": "it does not change what the model learns",
    "capture": "it does not change what the model learns",
}
_PLANS = {
    field.name: (plan, section, field.default)
    for plan, section in ((TrainingPlan, "training"), (LkmOptions, "lkm"))
    for field in fields(plan)
}
"""A setting of a section -> (its class, its section of the file, its default)."""
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
}


def check_names(study: Study, catalog: Catalog, faulty: Collection[str] = ()) -> Iterator[Finding]:
    """Every finding on the names in `study`, whose tasks have their canonical names.

    The tasks `faulty` have findings already.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for model in study.models:
        try:
            known[model] = catalog.settings(model)
        except LookupError:
            near = nearest(model, catalog.models)
            valid = tuple(catalog.models)
            yield Finding((("models", model),), "unknown model", None, valid, near)
        except ValueError as error:
            yield Finding((("models", model),), f"cannot be used: {error}")
    settled = [*_fixed(study, known), *_compared(study), *_several(study, known)]
    yield from settled
    built = []
    if catalog.try_model is not None and not settled:
        built = list(_built(study, catalog.try_model, known))
    yield from built
    usable = {} if settled or built else known
    yield from check_tasks(study, catalog, usable, faulty)


def _fixed(study: Study, known: Settings) -> Iterator[Finding]:
    for model, defaults in known.items():
        for name, value in study.models[model].items():
            path: KeyPath = ("models", model, name)
            if name not in defaults:
                yield unknown(path, f"setting of {model}", value, tuple(defaults))
            elif rule := _misfit(name, defaults[name], value):
                yield Finding((path,), rule, shown(value))
            yield from twice(study, path, name, value)


def twice(study: Study, path: KeyPath, name: str, value: Any) -> Iterator[Finding]:
    """The findings for a setting that is fixed at `path` and also searched or compared."""
    for section, verb in (("space", "searched"), ("compare", "compared")):
        if name in getattr(study, section):
            said = f"is fixed here and {verb} by {section}.{name}; keep one of the two"
            yield Finding((path, (section, name)), said, shown(value))


def _varied(study: Study) -> Iterator[tuple[KeyPath, str, Range]]:
    """Every setting with several values: its place, name and values."""
    for name, values in study.space.items():
        yield ("space", name), name, values
    for name, several in study.compare.items():
        yield ("compare", name), name, Choice("choice", several)


def _compared(study: Study) -> Iterator[Finding]:
    for name, values in study.compare.items():
        path: KeyPath = ("compare", name)
        if name == "gamma":
            yield Finding((path,), "cannot be compared: every cell searches γ and has a curve")
        elif name in study.space:
            said = f"is compared here and searched by space.{name}; keep one of the two"
            yield Finding((path, ("space", name)), said)
        for i, value in enumerate(values):
            if value in values[:i]:
                yield Finding(((*path, i),), "is listed twice", shown(value))
            if name == "n_train" and (rule := _misfit(name, 1, value) or _below_one(value)):
                yield Finding(((*path, i),), rule, shown(value))


def _several(study: Study, known: Settings) -> Iterator[Finding]:
    """Findings on the names and values of settings that are searched or compared."""
    defaults_of_one = next(iter(known.values()), {})
    common = [
        name
        for name, default in defaults_of_one.items()
        if not _lacking(known, name) and not isinstance(default, tuple)
    ]
    names = ["gamma", *common, *(name for name in _PLANS if name not in NOT_SEARCHED)]
    for path, name, values in _varied(study):
        lacking = _lacking(known, name)
        verb = "searched" if path[0] == "space" else "compared"
        if name == "gamma" or path == ("compare", "n_train"):
            continue
        if name in NOT_SEARCHED:
            yield Finding((path,), f"cannot be {verb}: {NOT_SEARCHED[name]}")
        elif name in _PLANS:
            yield from _range_of_plan(path, name, values)
        elif not known:
            # No model of the study exists, so their settings are unknown.
            continue
        elif len(lacking) == len(known):
            yield Finding((path,), "unknown setting", None, tuple(names), nearest(name, names))
        elif lacking:
            said = f"only a setting of every model can be {verb}, and {lacking[0]} lacks it"
            yield Finding((path, ("models",)), said, None, tuple(names))
        elif isinstance(defaults_of_one[name], tuple):
            yield Finding((path,), f"cannot be {verb}: it takes a list")
        else:
            for defaults in known.values():
                yield from _range_of_model(path, name, defaults[name], values)


def _lacking(known: Settings, name: str) -> list[str]:
    return [model for model, defaults in known.items() if name not in defaults]


def _ends(path: KeyPath, values: Range) -> list[tuple[KeyPath, Any]]:
    """The values to check in a range: its bounds, or every choice."""
    if isinstance(values, Choice):
        listed = path if path[0] == "compare" else (*path, "values")
        return [((*listed, i), value) for i, value in enumerate(values.values)]
    return [((*path, "low"), values.low), ((*path, "high"), values.high)]


def _wrong_type(name: str, default: Any, values: Range) -> Finding | None:
    kind = type(default)
    if isinstance(values, Choice) or kind not in _KINDS or kind is float:
        return None
    if kind is int and not isinstance(values, FloatRange):
        return None
    valid = ("int", "choice") if kind is int else ("choice",)
    rule = f"does not suit {name}, which takes {_KINDS[kind]}"
    return Finding((("space", name, "type"),), rule, shown(values.type), valid)


def _range_of_plan(path: KeyPath, name: str, values: Range) -> Iterator[Finding]:
    plan, _, default = _PLANS[name]
    wrong = _wrong_type(name, default, values)
    if wrong is not None:
        yield wrong
        return
    for place, value in _ends(path, values):
        try:
            plan(**{name: value})
        except ValidationError as error:
            for found in translated(error, Study):
                yield Finding((place,), found.rule, found.value, found.valid, found.near)


def _range_of_model(path: KeyPath, name: str, default: Any, values: Range) -> Iterator[Finding]:
    wrong = _wrong_type(name, default, values)
    if wrong is not None:
        yield wrong
        return
    for place, value in _ends(path, values):
        if rule := _misfit(name, default, value):
            yield Finding((place,), rule, shown(value))


def _misfit(name: str, default: Any, value: Any) -> str | None:
    """The rule that `value` breaks as a setting whose default is `default`; None if it fits."""
    kind = type(default)
    accepted: Any = {float: int | float, tuple: list | tuple}.get(kind, kind)
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if kind in _KINDS and not fits:
        return f"must be {_KINDS[kind]}"
    return _below_one(value) if name == "depth" else None


def _below_one(value: Any) -> str | None:
    return "must be at least 1" if isinstance(value, int) and value < 1 else None


def _built(study: Study, build: Build, known: Settings) -> Iterator[Finding]:
    """Models that cannot be built, with their fixed settings or with one value of a range."""
    for model in known:
        fixed = study.models[model]
        if said := _failure(build, model, fixed):
            alone = [name for name in fixed if _failure(build, model, {name: fixed[name]})]
            yield Finding((("models", model, *alone[:1]),), f"cannot be built: {said}")
            continue
        for path, name, values in _varied(study):
            ends = _ends(path, values) if name in known[model] else []
            for place, value in ends:
                if said := _failure(build, model, {**fixed, name: value}):
                    yield Finding((place,), f"{model} cannot be built: {said}")


def _failure(build: Build, model: str, settings: Mapping[str, Any]) -> str | None:
    try:
        build(model, settings)
    except (ValueError, TypeError) as error:
        return str(error)
    return None
