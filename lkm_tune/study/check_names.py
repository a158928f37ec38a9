"""Rules on what a study names: models and their settings, tasks, and the settings searched."""

from collections.abc import Callable, Iterator, Mapping
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
"""Every model of a study that exists -> its settings with their defaults."""
Build = Callable[[str, Mapping[str, Any]], object]

NOT_SEARCHED = {
    "epochs": "cannot be searched: every schedule spans the full budget, training.epochs",
    "seed": "cannot be searched: every trial of a search trains with the study's seed",
    "eval_batch_size": "cannot be searched: it changes nothing that is learnt",
    "divergence_factor": "cannot be searched: it changes nothing that is learnt",
    "micro_batch_size": "cannot be searched: it changes nothing that is learnt",
    "judged_by": "cannot be searched: trials are compared by one error",
}
_PLANS = {
    field.name: (plan, section, field.default)
    for plan, section in ((TrainingPlan, "training"), (LkmOptions, "lkm"))
    for field in fields(plan)
}
"""A setting outside the models -> (its class, its section of the file, its default)."""
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
}


def check_names(study: Study, catalog: Catalog) -> Iterator[Finding]:
    """Every finding on the names in `study`, whose tasks are in their own spelling already."""
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
    settled = list(_fixed(study, known)) + list(_searched(study, known))
    yield from settled
    built = []
    if catalog.try_model is not None and not settled:
        built = list(_built(study, catalog.try_model, known))
    yield from built
    usable = {} if settled or built else known
    yield from check_tasks(study, catalog, usable)


def _fixed(study: Study, known: Settings) -> Iterator[Finding]:
    for model, defaults in known.items():
        for name, value in study.models[model].items():
            path: KeyPath = ("models", model, name)
            if name not in defaults:
                yield unknown(path, f"setting of {model}", value, tuple(defaults))
            elif rule := _misfit(name, defaults[name], value):
                yield Finding((path,), rule, shown(value))
            if name in study.space:
                yield twice(path, name, value)


def twice(path: KeyPath, name: str, value: Any) -> Finding:
    """The finding for a setting that is fixed at `path` and searched as well."""
    return Finding(
        (path, ("space", name)),
        f"is fixed here and searched by space.{name}; keep one of the two",
        shown(value),
    )


def _searched(study: Study, known: Settings) -> Iterator[Finding]:
    defaults_of_one = next(iter(known.values()), {})
    common = [
        name
        for name, default in defaults_of_one.items()
        if not _lacking(known, name) and not isinstance(default, tuple)
    ]
    names = ["gamma", *common, *(name for name in _PLANS if name not in NOT_SEARCHED)]
    for name, values in study.space.items():
        path: KeyPath = ("space", name)
        lacking = _lacking(known, name)
        if name == "gamma":
            continue
        if name in NOT_SEARCHED:
            yield Finding((path,), NOT_SEARCHED[name])
        elif name in _PLANS:
            yield from _range_of_plan(name, values)
        elif not known:
            # No model of the study exists, so nothing can be said about their settings.
            continue
        elif len(lacking) == len(known):
            yield Finding((path,), "unknown setting", None, tuple(names), nearest(name, names))
        elif lacking:
            said = f"only a setting of every model can be searched, and {lacking[0]} has none such"
            yield Finding((path, ("models",)), said, None, tuple(names))
        elif isinstance(defaults_of_one[name], tuple):
            yield Finding((path,), "cannot be searched: it takes a list")
        else:
            for defaults in known.values():
                yield from _range_of_model(name, defaults[name], values)


def _lacking(known: Settings, name: str) -> list[str]:
    return [model for model, defaults in known.items() if name not in defaults]


def _ends(name: str, values: Range) -> list[tuple[KeyPath, Any]]:
    """The values that decide whether a range is valid: its bounds, or every choice."""
    if isinstance(values, Choice):
        return [(("space", name, "values", i), value) for i, value in enumerate(values.values)]
    return [(("space", name, "low"), values.low), (("space", name, "high"), values.high)]


def _wrong_type(name: str, default: Any, values: Range) -> Finding | None:
    kind = type(default)
    if isinstance(values, Choice) or kind not in _KINDS or kind is float:
        return None
    if kind is int and not isinstance(values, FloatRange):
        return None
    valid = ("int", "choice") if kind is int else ("choice",)
    rule = f"does not suit {name}, which takes {_KINDS[kind]}"
    return Finding((("space", name, "type"),), rule, shown(values.type), valid)


def _range_of_plan(name: str, values: Range) -> Iterator[Finding]:
    plan, _, default = _PLANS[name]
    wrong = _wrong_type(name, default, values)
    if wrong is not None:
        yield wrong
        return
    for path, value in _ends(name, values):
        try:
            plan(**{name: value})
        except ValidationError as error:
            for found in translated(error, Study):
                yield Finding((path,), found.rule, found.value, found.valid, found.near)


def _range_of_model(name: str, default: Any, values: Range) -> Iterator[Finding]:
    wrong = _wrong_type(name, default, values)
    if wrong is not None:
        yield wrong
        return
    for path, value in _ends(name, values):
        if rule := _misfit(name, default, value):
            yield Finding((path,), rule, shown(value))


def _misfit(name: str, default: Any, value: Any) -> str | None:
    """The rule that `value` breaks as a setting whose default is `default`; None if it fits."""
    kind = type(default)
    accepted: Any = {float: int | float, tuple: list | tuple}.get(kind, kind)
    fits = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if kind in _KINDS and not fits:
        return f"must be {_KINDS[kind]}"
    if name == "depth" and isinstance(value, int) and value < 1:
        return "must be at least 1"
    return None


def _built(study: Study, build: Build, known: Settings) -> Iterator[Finding]:
    """What cannot be built: a model as it is fixed, or one value of a searched setting."""
    for model in known:
        fixed = study.models[model]
        if said := _failure(build, model, fixed):
            alone = [name for name in fixed if _failure(build, model, {name: fixed[name]})]
            yield Finding((("models", model, *alone[:1]),), f"cannot be built: {said}")
            continue
        for name, values in study.space.items():
            ends = _ends(name, values) if name in known[model] else []
            for path, value in ends:
                if said := _failure(build, model, {**fixed, name: value}):
                    yield Finding((path,), f"{model} cannot be built: {said}")


def _failure(build: Build, model: str, settings: Mapping[str, Any]) -> str | None:
    try:
        build(model, settings)
    except (ValueError, TypeError) as error:
        return str(error)
    return None
