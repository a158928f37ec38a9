"""What differs between a study that has runs and what its file says now."""

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
    "tracking.system_metrics",
)
"""What decides when and where trials run, but not what they find."""
_MORE: Mapping[str, Callable[[Any, Any], bool]] = {
    "search.trials": lambda first, second: bool(second > first),
    # The control's search adds trials and touches none of the others.
    "search.control": lambda first, second: bool(second and not first),
}
"""Key -> whether a change of its value only asks for more."""
_LISTS = {
    "models": ("model", "models"),
    "tasks": ("task", "tasks"),
    "curve.gammas": ("γ", "values of γ"),
    "curve.seeds": ("seed", "seeds"),
}
"""Keys to which more may be added -> what one of them, and several, are called."""
_NAMED = ("models", "tasks")
"""Those of them that map a name to more keys."""
_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """The differences between two versions of a study, a sentence each, with the key first.

    Attributes:
        extends: asks for more beside what has been run, which stays as it is.
        mixes: would put results side by side that were made in different ways.
        free: changes no result.
    """

    extends: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


def compare(old: Study, new: Study) -> Change:
    """How `new` changes `old`: extended where `mixes` is empty, to be refused where it is not.

    The order in which models, tasks, γ values and seeds are written is no difference.
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
            text = f"{_counted(removed, one, many)} taken away ({_names(removed)})"
            mixes.append(f"{key}: {text}, which the study has results for")
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
    """Both as plain data, with every task's own data plan in full.

    Where a file says what, in `data` or beside a task, makes no difference. What is the same for
    all tasks of a study is told once, under `data`.
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
        return f"was not there, is {shown(second)} now"
    if second is _ABSENT:
        return f"was {shown(first)}, is not there now"
    return f"was {shown(first)}, is {shown(second)} now"
