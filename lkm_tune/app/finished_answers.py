"""The best γ of every finished cell, and the predicted γ of a cell without a search."""

from pathlib import Path
from typing import Any

from lkm_tune.app.errors import user_errors
from lkm_tune.app.known_names import check_names
from lkm_tune.app.stored_answers import predicted, stored_answers
from lkm_tune.app.studies import Storage, StudyLike, storage_path, study_names
from lkm_tune.files import listing, mapping, read_json
from lkm_tune.transfer import SCHEMA_VERSION
from lkm_tune.transfer.report.text_lines import WIDTH, at_margin, cell_lines, summary_lines


def best_gamma(
    storage: Storage = "lkm-runs",
    study: StudyLike | None = None,
    model: str | None = None,
    task: str | None = None,
    margin: float | None = None,
    *,
    old: bool = False,
) -> list[dict[str, Any]]:
    """The answers of finished studies, in the form of `transfer.json`.

    Args:
        storage: the storage folder.
        study: the study whose report is shown; None: all studies together.
        model: only this model, with or without its compared values, in upper or lower case.
        task: only this task.
        margin: the margin of the decisions: 0.01, 0.02, 0.05 or the report's; None: the report's.
            At another margin than the report's, some fields are unknown (None).
        old: whether answers of all studies count that miss the last runs; nothing is then analysed.

    Returns:
        An answer for each cell. If no study has searched `model` on `task`, the only answer is a
        prediction from the searched cells.

    Raises:
        LkmTuneError: if there is no such answer (the error names the existing answers), or no
            decision at this margin.
    """
    with user_errors():
        stored = _stored(storage_path(storage), study, margin, old)
        return _select(stored, study, model, task)


def best_gamma_lines(
    storage: Storage = "lkm-runs",
    study: StudyLike | None = None,
    model: str | None = None,
    task: str | None = None,
    margin: float | None = None,
    width: int = WIDTH,
    *,
    old: bool = False,
) -> list[str]:
    """The same answers as lines of text; for all cells, also the verdicts of their pairs.

    Args:
        storage: the storage folder.
        study: the study whose report is shown; None: all studies together.
        model: only this model.
        task: only this task.
        margin: the margin of the verdicts: 0.01, 0.02, 0.05 or the report's; None: the report's.
        width: letters that fit in a line.
        old: whether answers of all studies count that miss the last runs; nothing is then analysed.

    Raises:
        LkmTuneError: if there is no such answer, or no verdict at this margin.
    """
    with user_errors():
        stored = _stored(storage_path(storage), study, margin, old)
        found = _select(stored, study, model, task)
        summary, answers = stored["summary"], stored["answers"]
        asked = summary["margin"] if margin is None else margin
        known = at_margin(summary, asked)["lines"]
        if len(found) == len(answers) > 1:
            return summary_lines(summary, asked, width)
    short = {answer["name"]: line for answer, line in zip(answers, known, strict=True)}
    lines = cell_lines([short.get(answer["name"], answer["line"]) for answer in found], width)
    return lines if len(found) > 1 else [*lines, "", found[0]["sentence"]]


def _stored(
    storage: Path, study: StudyLike | None, margin: float | None, old: bool = False
) -> dict[str, Any]:
    """`answers` and `summary` of one study; for all studies also the data of predictions."""
    names = study_names(storage, study)
    of_all = study is None
    stored = stored_answers(storage, old=old) if of_all else stored_report(storage, names[0])
    if margin is not None:
        try:
            changed = at_margin(stored["summary"], margin)["answers"]
        except ValueError as error:
            verb = "shows" if of_all else "makes"
            command = f"lkm-tune report {'' if of_all else f'{names[0]} '}--margin {margin:g}"
            raise ValueError(f"{error}; `{command}` {verb} them") from error
        stored["answers"] = [a | c for a, c in zip(stored["answers"], changed, strict=True)]
    return stored


_KINDS = ("model", "task")


def _select(
    stored: dict[str, Any], study: StudyLike | None, model: str | None, task: str | None
) -> list[dict[str, Any]]:
    found = [answer for answer in stored["answers"] if is_of(answer, model, task)]
    if not found and model and task and study is None:
        check_names(model, task, *({a[kind] for a in stored["answers"]} for kind in _KINDS))
        found = [answer for answer in stored["unsearched"] if is_of(answer, model, task)]
        found = found or predicted(stored, model, task)
    if not found:
        wanted = " on ".join(part for part in (model, task) if part)
        known = "; ".join(f"{a['model']} on {a['task']}" for a in stored["answers"]) or "none"
        raise ValueError(f"no finished curve of {wanted or 'any cell'}; there are: {known}")
    return found


def stored_report(storage: Path, name: str) -> dict[str, Any]:
    """The `transfer.json` of a study, its answers with the name of the study.

    Raises:
        FileNotFoundError: if the study has no report yet, or its report is of an earlier version.
        ValueError: if the file is damaged; the error names the file.
    """
    path = storage / "studies" / name / "report" / "transfer.json"
    if not path.exists():
        raise FileNotFoundError(
            f"study {name} has no report yet: run `lkm-tune run {name}` to its end, or "
            f"`lkm-tune report {name}` for its finished cells"
        )
    stored = read_json(path, _checked, f"`lkm-tune report {name}` makes it again")
    if stored["schema_version"] != SCHEMA_VERSION:
        raise FileNotFoundError(
            f"an earlier version of lkm-tune made the report of study {name}: `lkm-tune "
            f"report {name}` makes it again"
        )
    stored["answers"] = [{"study": name, **answer} for answer in stored["answers"]]
    return stored


def _checked(kept: Any) -> dict[str, Any]:
    """A `transfer.json` with the parts that every reader needs."""
    if mapping(kept).get("schema_version") == SCHEMA_VERSION:
        mapping(kept["summary"])["margin"]
        for one in listing(kept["answers"]):
            one["model"].lower(), one["task"].lower()
    return {"schema_version": None, **kept}


def is_of(answer: dict[str, Any], model: str | None, task: str | None) -> bool:
    """Whether an answer is of a task and of a model, with or without its compared values."""
    named = (answer["model"].lower(), answer["model"].lower().partition("[")[0])
    of_model = model is None or model.lower() in named
    return of_model and (task is None or answer["task"].lower() == task.lower())
