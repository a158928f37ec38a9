"""Checks a study file that was sent to a server."""

from dataclasses import dataclass, replace
from os import PathLike

from lkm_tune.app.errors import LkmTuneError, user_errors
from lkm_tune.app.permissions import Permissions
from lkm_tune.app.studies import Storage, storage_path
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.search.judgement import largest_plan
from lkm_tune.study import StudyError, advice, compare, load_study, plan_summary


@dataclass(frozen=True)
class StudyFileError:
    """One error of a study file.

    Attributes:
        line: the line of the file, from 1; None for an error of the whole file.
        key: the key, such as `search.trials`; "" for an error of the whole file.
        detail: the rule, the value and the valid values.
    """

    line: int | None
    key: str
    detail: str


@dataclass(frozen=True)
class CheckedFile:
    """A study file and its errors or its plan.

    Attributes:
        errors: every error; the other fields are those of a study without errors.
        name: the name of the study.
        cells: number of cells.
        trials: number of trials before the first look.
        most_trials: number of trials if every pair of cells stays undecided.
        epochs: expected epochs.
        advice: sentences on settings that weaken the answer.
        mixes: differences from the stored study of this name, whose results are not comparable.
        hours: estimated hours of one thread of this machine's CPU; None without an estimate.
        no_estimate: why there is no estimate; "" if there is one or none was asked for.
    """

    errors: tuple[StudyFileError, ...] = ()
    name: str = ""
    cells: int = 0
    trials: int = 0
    most_trials: int = 0
    epochs: float = 0.0
    advice: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ()
    hours: float | None = None
    no_estimate: str = ""


def check_file(
    path: str | PathLike[str], storage: Storage, permissions: Permissions, *, cost: bool = False
) -> CheckedFile:
    """Checks a study file; an invalid study is a result, no exception.

    Args:
        path: the file.
        storage: the storage folder, which may hold an earlier study of this name.
        permissions: what the study may name.
        cost: whether to open its data and time a few training steps.

    Raises:
        LkmTuneError: if a file of the storage folder is damaged.
    """
    try:
        study = load_study(path, permissions.catalog())
    except StudyError as error:
        return CheckedFile(
            errors=tuple(
                StudyFileError(one.line, one.key, str(replace(one, file="", line=None, key="")))
                for one in error.errors
            )
        )
    with user_errors():
        before = StudyFolder(storage_path(storage), study.name).read_study()
    plan = plan_summary(study)
    checked = CheckedFile(
        name=study.name,
        cells=plan.cells,
        trials=plan.trials,
        most_trials=largest_plan(study).trials,
        epochs=plan.expected_epochs,
        advice=tuple(advice(study)),
        mixes=() if before is None else tuple(compare(before, study).mixes),
    )
    if not cost:
        return checked
    from lkm_tune.app.check import study_cost

    try:
        seconds = sum(one.seconds for one in study_cost(study))
    except LkmTuneError as error:
        return replace(checked, no_estimate=str(error))
    return replace(checked, hours=seconds / 3600)
