"""The best settings of a cell as the file of one training run."""

import math
from pathlib import Path

import yaml

from lkm_tune.cli.answer import finished_answers, is_of
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import RunConfig, TrialSpec


def best_config(storage: Path, study: str, model: str, task: str) -> tuple[RunConfig, str]:
    """The best settings of a cell with its best γ, and in words where they come from.

    Raises:
        ValueError: if the cell has no finished curve.
    """
    answers = [a for a in finished_answers(storage, study) if is_of(a, model, task)]
    folder = StudyFolder(storage, study)
    kept = folder.read_study()
    if kept is None or not answers:
        raise ValueError(f"study {study} has no finished curve of {model} on {task}")
    # Of cells that differ in what is compared, the one with the lowest error.
    answer = min(answers, key=lambda answer: answer["error"] or math.inf)
    trials = StudyTrials.read(kept, folder.ledger)
    cell = kept.find_cell(answer["model"], answer["task"], answer["depth"], answer["n_train"])
    settings = {"gamma": answer["recommended"], **(trials.curve_settings(cell, "curve") or {})}
    trial = TrialSpec(
        study, cell, "curve", 0, settings, kept.curve.first_seeds[0], kept.training.epochs
    )
    return kept.run_config(trial), f"study {study}: {answer['sentence']}"


def config_text(config: RunConfig, comment: str) -> str:
    """The file of a training run, with a comment on its first line."""
    return f"# {comment}\n" + yaml.safe_dump(config.to_dict(), sort_keys=False)
