"""Rules between the numbers of a study: γ, its curve, seeds, rungs, batches and resources."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lkm_tune.study.check_names import NOT_SEARCHED, twice
from lkm_tune.study.problem import Finding, KeyPath, shown
from lkm_tune.study.space import Choice, Range
from lkm_tune.study.study import Study


def check_plans(study: Study, written: Collection[KeyPath]) -> Iterator[Finding]:
    """Every finding on the plans of `study`; `written` are the keys in its file."""
    yield from _gamma(study)
    yield from _curve(study)
    yield from _budget(study)
    yield from _resources(study)
    for name in (*study.space, *study.compare):
        for section in ("training", "lkm"):
            plan = getattr(study, section)
            # Another rule reports unknown keys.
            if (section, name) in written and hasattr(plan, name) and name not in NOT_SEARCHED:
                yield from twice(study, (section, name), name, getattr(plan, name))


def _gamma(study: Study) -> Iterator[Finding]:
    path: KeyPath = ("space", "gamma")
    if "gamma" not in study.space:
        yield Finding((path, ("space",)), "is missing: every study searches γ")
        return
    values = study.space["gamma"]
    rule = "must be a finite number above 0: the control γ = 0 always runs"
    if not isinstance(values, Choice):
        if values.low <= 0:
            yield Finding(((*path, "low"),), rule, shown(values.low))
        return
    for i, value in enumerate(values.values):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < float(value) < math.inf:
            yield Finding(((*path, "values", i),), rule, shown(value))


def _curve(study: Study) -> Iterator[Finding]:
    gammas, seeds = study.curve.gammas, study.curve.first_seeds
    if 0.0 not in gammas:
        rule = "must contain 0, the control for every gain"
        yield Finding((("curve", "gammas"),), rule, shown(gammas))
    if not any(gammas):
        rule = "must contain at least one γ above 0"
        yield Finding((("curve", "gammas"),), rule, shown(gammas))
    yield from _seed_of_the_search(study)
    if study.curve.adaptive and study.curve.max_seeds < len(seeds):
        rule = f"must be at least the number of seeds in curve.seeds ({len(seeds)})"
        keys: tuple[KeyPath, ...] = (("curve", "max_seeds"), ("curve", "seeds"))
        yield Finding(keys, rule, shown(study.curve.max_seeds))


def _seed_of_the_search(study: Study) -> Iterator[Finding]:
    written, searched = study.curve.seeds, study.seed
    if isinstance(written, int):
        if searched in study.curve.first_seeds:
            rule = f"means the seeds 1 to {written}, which must not contain `seed` ({searched})"
            yield Finding((("curve", "seeds"), ("seed",)), rule, shown(written))
        return
    for i, value in enumerate(written):
        if value == searched:
            rule = "must differ from `seed`, the seed of the search"
            yield Finding((("curve", "seeds", i), ("seed",)), rule, shown(value))


def check_repeats(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Values that a list of the curve holds twice, also beside other faults of the list.

    Args:
        data: the content of a study file.
    """
    curve = data.get("curve")
    for name in ("gammas", "seeds"):
        held = curve.get(name) if isinstance(curve, Mapping) else None
        values = held if isinstance(held, list | tuple) else ()
        for i, value in enumerate(values):
            if value in values[:i]:
                yield Finding((("curve", name, i),), "is listed twice", shown(value))


def _budget(study: Study) -> Iterator[Finding]:
    epochs, search = study.training.epochs, study.search
    if search.trials == 0 and (others := sorted(study.space.keys() - {"gamma"})):
        rule = f"must be at least 1, since more than γ is searched ({', '.join(others)})"
        yield Finding((("search", "trials"), ("space", others[0])), rule, shown(search.trials))
    if search.trials and search.grace_period > epochs:
        keys: tuple[KeyPath, ...] = (("search", "grace_period"), ("training", "epochs"))
        rule = f"must be at most training.epochs ({epochs})"
        yield Finding(keys, rule, shown(search.grace_period))
    if study.training.warmup_epochs >= epochs:
        keys = (("training", "warmup_epochs"), ("training", "epochs"))
        rule = f"must be less than training.epochs ({epochs})"
        yield Finding(keys, rule, shown(study.training.warmup_epochs))
    yield from _batch_size(study)


def _batch_size(study: Study) -> Iterator[Finding]:
    """No batch may be larger than the smallest training part."""
    cell = min(study.cells, key=lambda cell: cell.n_train)
    place: KeyPath = ("data", "n_train")
    name = "data.n_train"
    if "n_train" in study.compare:
        place, name = ("compare", "n_train"), "every compare.n_train"
    elif study.tasks[cell.task].n_train is not None:
        place, name = ("tasks", cell.task, "n_train"), f"n_train of {cell.task}"
    if study.training.batch_size > cell.n_train:
        rule = f"must be at most {name} ({cell.n_train})"
        yield Finding((("training", "batch_size"), place), rule, shown(study.training.batch_size))
    several: dict[KeyPath, tuple[Any, ...]] = {}
    if "batch_size" in study.space:
        values = study.space["batch_size"]
        sizes = values.values if isinstance(values, Choice) else (values.high,)
        several["space", "batch_size"] = sizes
    if "batch_size" in study.compare:
        several["compare", "batch_size"] = study.compare["batch_size"]
    for path, sizes in several.items():
        largest = max((size for size in sizes if isinstance(size, int | float)), default=0)
        if largest > cell.n_train:
            rule = f"must stay within {name} ({cell.n_train})"
            yield Finding((path, place), rule, shown(largest))


def _resources(study: Study) -> Iterator[Finding]:
    gpu = study.resources.gpu
    if gpu != "auto" and gpu > 1 and gpu != int(gpu):
        rule = "must be a fraction of one GPU, a whole number of them, or auto"
        yield Finding((("resources", "gpu"),), rule, shown(gpu))


def advice(study: Study) -> list[str]:
    """One sentence for each valid setting of `study` that weakens its answer."""
    said = []
    search, space = study.search, study.space
    if len(study.curve.first_seeds) == 1 and not study.curve.adaptive:
        said.append(
            "curve.seeds: one seed cannot separate an effect of γ from chance; take three or more"
        )
    if len(study.curve.gammas) < 4:
        said.append(
            f"curve.gammas: {len(study.curve.gammas)} values of γ do not show where a curve turns; "
            "take five or more"
        )
    if search.trials and search.sampler == "tpe" and search.startup_trials >= search.trials:
        said.append(
            f"search.startup_trials: all {search.trials} trials are random, since TPE "
            f"begins after {search.startup_trials}"
        )
    if "gamma" in space and _wide_and_linear(space["gamma"]):
        said.append(
            "space.gamma: the range spans more than two decades without `log`, so the search "
            "hardly tries small γ"
        )
    for name in ("distance", "reduction", "mixing", "force_weight"):
        if name in space:
            said.append(
                f"space.{name}: γ is comparable only at equal {name}, and cells may end "
                "with different values"
            )
    return said


def _wide_and_linear(values: Range) -> bool:
    return not isinstance(values, Choice) and not values.log and values.high > 100 * values.low
