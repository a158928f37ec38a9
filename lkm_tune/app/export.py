"""The best settings of a finished cell as the file of one training run."""

import math
from pathlib import Path

import yaml

from lkm_tune.app.errors import user_errors
from lkm_tune.app.finished_answers import is_of, stored_report
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import RunConfig, TrialSpec


def best_settings(
    study: StudyLike, model: str, task: str, storage: Storage = "lkm-runs"
) -> tuple[RunConfig, str]:
    """The best settings of a cell with its best γ, and their origin in words.

    Raises:
        LkmTuneError: if the cell has no finished curve.
    """
    with user_errors():
        return _best_settings(storage_path(storage), study, model, task)


def export_settings(study: StudyLike, model: str, task: str, storage: Storage = "lkm-runs") -> str:
    """The same settings as the text of a file for `train_run` and `lkm-tune train --config`.

    Raises:
        LkmTuneError: if the cell has no finished curve.
    """
    config, comment = best_settings(study, model, task, storage)
    return f"# {comment}\n" + yaml.safe_dump(config.to_dict(), sort_keys=False)


def _best_settings(
    storage: Path, wanted: StudyLike, model: str, task: str
) -> tuple[RunConfig, str]:
    study, folder = stored_study(storage, wanted)
    answers = [a for a in stored_report(storage, study.name)["answers"] if is_of(a, model, task)]
    if not answers:
        raise ValueError(f"study {study.name} has no finished curve of {model} on {task}")
    # Among cells with different compared values, the cell with the lowest error.
    answer = min(answers, key=lambda answer: answer["error"] or math.inf)
    trials = StudyTrials.read(study, folder.ledger)
    cell = study.find_cell(answer["model"], answer["task"], answer["depth"], answer["n_train"])
    settings = {"gamma": answer["recommended"], **(trials.curve_settings(cell, "curve") or {})}
    seed, epochs = study.curve.first_seeds[0], study.training.epochs
    trial = TrialSpec(study.name, cell, "curve", 0, settings, seed, epochs)
    return study.run_config(trial), f"study {study.name}: {answer['sentence']}"
