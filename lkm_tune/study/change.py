"""The differences between a study with runs and the present version of its file."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from lkm_tune.study.plan import DataPlan
from lkm_tune.study.problem import shown
from lkm_tune.study.record import study_to_dict
from lkm_tune.study.study import Study

_FREE = (
    "search.trial_limit",
    "search.time_limit",
    "search.compute_limit",
    "search.max_concurrent",
    "curve.until",
    "curve.max_seeds",
    "curve.guarantee",
    "curve.diagnostics",
    "report.margin",
    "resources.cpu",
    "resources.gpu",
    "resources.array",
    "tracking.system_metrics",
)
"""Keys that decide when and where trials run, and do not change results."""
_MORE: Mapping[str, Callable[[Any, Any], bool]] = {
    "search.trials": lambda first, second: bool(second > first),
    # The search of the control adds trials and changes no other trial.
    "search.control": lambda first, second: bool(second and not first),
}
"""Key -> whether a change of its value only adds trials."""
_LISTS = {
    "models": ("model", "models"),
    "tasks": ("task", "tasks"),
    "curve.gammas": ("γ", "values of γ"),
    "curve.seeds": ("seed", "seeds"),
}
"""Keys that may get more items -> the singular and plural name of an item."""
_NAMED = ("models", "tasks")
"""The keys above that map names to further keys."""
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """The differences between two versions of a study, one sentence each, with the key first.

    Attributes:
        extends: differences that add trials and keep the existing results.
        mixes: differences that would mix results of different methods.
        free: differences that change no result.
    """

    extends: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


def compare(old: Study, new: Study) -> Change:
    """The change from `old` to `new`; callers refuse it unless `mixes` is empty.

    The order of models, tasks, γ values and seeds is no difference.
    """
    before, now = _comparable(old, new)
    both = old.compare.keys() & new.compare.keys()
    lists = _LISTS | {
        f"compare.{name}": (f"value of {name}", f"values of {name}") for name in sorted(both)
    }
    extends: list[str] = []
    mixes: list[str] = []
    for key, (one, many) in lists.items():
        listed, wanted = _get(before, key), _get(now, key)
        if added := [item for item in wanted if item not in listed]:
            extends.append(f"{key}: {_counted(added, one, many)} more ({_names(added)})")
        if removed := [item for item in listed if item not in wanted]:
            text = f"{_counted(removed, one, many)} removed ({_names(removed)})"
            mixes.append(f"{key}: {text}, but results exist")
    free = []
    for key, first, second in _leaves(before, now):
        if key in lists:
            continue
        if key in _FREE:
            free.append(f"{key}: {_change(first, second)}")
        elif key in _MORE and _MORE[key](first, second):
            extends.append(f"{key}: {_change(first, second)}")
        else:
            mixes.append(f"{key}: {_change(first, second)}")
    return Change(tuple(extends), tuple(mixes), tuple(free))


def _comparable(old: Study, new: Study) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both studies as plain data, with the complete data plan of every task.

    A key has the same meaning in `data` and at a task. Keys that are equal for all tasks of a study
    stand once, under `data`.
    """
    plans = [{task: asdict(study.data_plan(task)) for task in study.tasks} for study in (old, new)]
    common = [
        field.name
        for field in fields(DataPlan)
        if all(len({plan[field.name] for plan in of_one.values()}) == 1 for of_one in plans)
    ]
    both = []
    for study, of_one in zip((old, new), plans, strict=True):
        first = next(iter(of_one.values()))
        data = {name: first[name] for name in common}
        tasks = {
            task: {name: value for name, value in plan.items() if name not in common}
            for task, plan in of_one.items()
        }
        data_of_study = study_to_dict(study)
        curve = {**data_of_study["curve"], "seeds": list(study.curve.first_seeds)}
        both.append({**data_of_study, "curve": curve, "data": data, "tasks": tasks})
    return both[0], both[1]


def _leaves(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every value that differs, under the name of its key."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        if before != now or type(before) is not type(now):
            yield key, before, now
        return
    new = [] if key in _NAMED else [name for name in now if name not in before]
    gone = [] if key in _NAMED else [name for name in before if name not in now]
    names = [name for name in before if name in now] + gone + new
    for name in names:
        inner = f"{key}.{name}" if key else name
        yield from _leaves(before.get(name, _ABSENT), now.get(name, _ABSENT), inner)


def _get(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    value: Any = data
    for part in key.split("."):
        value = value[part]
    return list(value)


def _counted(items: Collection[Any], one: str, many: str) -> str:
    return f"{len(items)} {one if len(items) == 1 else many}"


def _names(items: Sequence[Any]) -> str:
    return ", ".join(item if isinstance(item, str) else shown(item) for item in items)


def _change(first: Any, second: Any) -> str:
    if first is _ABSENT:
        return f"was absent, is {shown(second)} now"
    if second is _ABSENT:
        return f"was {shown(first)}, is absent now"
    return f"was {shown(first)}, is {shown(second)} now"
