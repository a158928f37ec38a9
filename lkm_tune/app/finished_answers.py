"""The best γ of every finished cell, and the predicted one of a cell never searched."""

import json
from pathlib import Path
from typing import Any

from lkm_tune.app.errors import user_errors
from lkm_tune.app.stored_answers import predicted, stored_answers
from lkm_tune.app.studies import Storage, StudyLike, storage_path, study_names


def best_gamma(
    storage: Storage = "lkm-runs",
    study: StudyLike | None = None,
    model: str | None = None,
    task: str | None = None,
) -> list[dict[str, Any]]:
    """The answers of finished studies, as `transfer.json` has them.

    Args:
        storage: the storage folder.
        study: only this study, by its own report; None: all studies together.
        model: only this model, with what is compared or without, in upper or lower case.
        task: only this task.

    Returns:
        An answer for each cell. Where a model and a task are given that were not searched
        together, the one answer is the prediction from the cells that were.

    Raises:
        LkmTuneError: if there is no such answer; names those that there are.
    """
    with user_errors():
        return _answers(storage_path(storage), study, model, task)


def _answers(
    storage: Path, study: StudyLike | None, model: str | None, task: str | None
) -> list[dict[str, Any]]:
    if study is None:
        kept = stored_answers(storage)
    else:
        (name,) = study_names(storage, study)
        kept = {"answers": finished_answers(storage, name), "unsearched": []}
    found = [answer for answer in kept["answers"] if is_of(answer, model, task)]
    if not found and model and task:
        found = [answer for answer in kept["unsearched"] if is_of(answer, model, task)]
        if not found and study is None:
            found = predicted(kept, model, task)
    if not found:
        wanted = " on ".join(part for part in (model, task) if part)
        known = "; ".join(f"{a['model']} on {a['task']}" for a in kept["answers"]) or "none"
        raise ValueError(f"no finished curve of {wanted or 'any cell'}; there are: {known}")
    return found


def finished_answers(storage: Path, name: str) -> list[dict[str, Any]]:
    """The answers in the report of a study, cell by cell.

    Raises:
        FileNotFoundError: if the study has no report yet.
    """
    path = storage / "studies" / name / "report" / "transfer.json"
    if not path.exists():
        raise FileNotFoundError(
            f"study {name} has no report yet: run `lkm-tune run {name}` to its end, or "
            f"`lkm-tune report {name}` for what is finished"
        )
    return [
        {"study": name, **answer}
        for answer in json.loads(path.read_text(encoding="utf-8"))["answers"]
    ]


def is_of(answer: dict[str, Any], model: str | None, task: str | None) -> bool:
    """Whether an answer is of a model, named with what is compared or without, and of a task."""
    named = (answer["model"].lower(), answer["model"].lower().partition("[")[0])
    of_model = model is None or model.lower() in named
    return of_model and (task is None or answer["task"].lower() == task.lower())
