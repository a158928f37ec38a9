"""Makes the report of one study, or of all studies of a storage folder together."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lkm_tune.app.errors import user_errors
from lkm_tune.app.printed import last_lines
from lkm_tune.app.stored_answers import MARGIN, load_report
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study, study_name
from lkm_tune.datasets import caution
from lkm_tune.ledger.importance import setting_importance
from lkm_tune.ledger.left_out import read_left_out
from lkm_tune.ledger.run_table import ended, read_table, study_runs
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.search.judgement import rate_at_stop
from lkm_tune.search.planner import Plan
from lkm_tune.study import Study, digest
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.report.stored_runs import training_time
from lkm_tune.transfer.report.write import write_report
from lkm_tune.versions import package_versions

if TYPE_CHECKING:
    from pandas import DataFrame

PICTURE = "layers-"
"""Prefix of the pictures of a cell's networks."""


def make_report(
    storage: Storage = "lkm-runs",
    study: StudyLike | None = None,
    margin: float | None = None,
    *,
    from_mlflow: str | None = None,
    from_table: str | Path | None = None,
    experiment: str | None = None,
) -> tuple[TransferReport, Path]:
    """Analyses finished runs and writes the report.

    Args:
        storage: the storage folder.
        study: the study; None: all studies together.
        margin: difference of the error, as a fraction, that does not matter; None: `report.margin`
            of the study, or of all studies if it is the same; `MARGIN` otherwise, and for runs
            from MLflow and from a table.
        from_mlflow: the address of an MLflow server with the runs; None: the ledgers have the runs.
        from_table: a CSV file with the runs, such as a report's `trials.csv`.
        experiment: the one experiment of this MLflow to read, where several hold studies of one
            name.

    Returns:
        The report, and the folder of its files.

    Raises:
        LkmTuneError: if no run can be analysed, or the study has not run.
    """
    with user_errors():
        place, usual = storage_path(storage), MARGIN if margin is None else margin
        if from_mlflow is not None:
            name = None if study is None else study_name(study)
            runs = _runs_of_mlflow(from_mlflow, name, experiment)
            there = f"from-mlflow/{_file_name(experiment or name or 'all')}"
            report, folder = _of_runs(runs, "MLflow alone", usual), place / there
        elif from_table is not None:
            table = Path(from_table)
            runs = _runs_of_table(table, None if study is None else study_name(study))
            there = f"from-table/{table.name.partition('.')[0]}"
            report, folder = _of_runs(runs, table.name, usual), place / there
        elif study is None:
            report, folder = load_report(place, margin), place / "transfer"
        else:
            kept, files = stored_study(place, study)
            report, folder = report_of(kept, place, margin=margin), files.report
        write_report(report, folder)
    return report, folder


def _runs_of_mlflow(uri: str, study: str | None, experiment: str | None) -> "DataFrame":
    from lkm_tune.tracking.importer import import_runs

    runs = import_runs(uri, [study] if study else None, experiment)
    if runs.empty:
        known = ", ".join(dict.fromkeys(import_runs(uri)["study"])) or "none"
        where = f"the experiment {experiment} of this MLflow" if experiment else "this MLflow"
        raise ValueError(
            f"no run of {study or 'a study'} has ended in {where}; studies with one: {known}"
        )
    return runs


def _runs_of_table(path: Path, study: str | None) -> "DataFrame":
    runs = read_table(path)
    if study is None or "study" not in runs:
        return runs
    known = ", ".join(dict.fromkeys(runs["study"]))
    runs = runs[runs["study"] == study]
    if runs.empty:
        raise ValueError(f"{path} has no run of {study}; studies with one: {known or 'none'}")
    return runs


def _of_runs(runs: "DataFrame", origin: str, margin: float) -> TransferReport:
    report = TransferReport.from_runs(runs, margin=margin)
    provenance = {
        "studies": ", ".join(dict.fromkeys(runs["study"])),
        "read from": origin,
        "runs": len(runs),
        "training time": training_time(runs),
    }
    return replace(report, provenance=provenance)


def _file_name(experiment: str) -> str:
    """A name of an experiment as that of a folder."""
    return re.sub(r"[^\w .()+-]|^\.+", "_", experiment)


def report_of(
    study: Study, storage: Path, *, margin: float | None = None, ended_by: str = "its plan"
) -> TransferReport:
    """The report of a study from its ended runs, not yet written.

    Args:
        study: the study.
        storage: its storage folder.
        margin: difference of the error, as a fraction, that does not matter; None: `report.margin`
            of the study.
        ended_by: the reason that ended the study, in words.

    Raises:
        ValueError: if no run of the study can be analysed.
    """
    folder = StudyFolder(storage, study.name)
    trials = StudyTrials.read(study, folder.ledger)
    runs = ended(study_runs(folder, trials=trials))
    provenance = {
        "study": study.name,
        "study digest": digest(study),
        **_data_in_words(study, folder),
        "budget": f"{study.training.epochs} epochs",
        "mixing": f"distance {study.lkm.distance}, reduction {study.lkm.reduction}, "
        f"teacher {study.lkm.teacher}, {study.lkm.mixing}",
        "runs": len(runs),
        "training time": training_time(runs),
        "ended by": ended_by,
        "versions": package_versions(),
    }
    if nodes := read_left_out(folder.left_out):
        provenance["nodes left out for a time"] = "; ".join(map(str, nodes))
    return TransferReport.from_runs(
        runs,
        margin=study.report.margin if margin is None else margin,
        seed=study.seed,
        provenance=provenance,
        importance=setting_importance(study, trials),
        pictures=_pictures(study, folder),
        printed=last_lines(folder, trials.all_records()),
        rate=rate_at_stop(study, Plan(study, trials, memory=folder.looks).looks),
    )


def _pictures(study: Study, folder: StudyFolder) -> Mapping[str, Path]:
    """Title -> picture of a cell's networks, from `diagnose`."""
    return {
        f"{cell}: {path.stem.removeprefix(PICTURE).replace('-', ', ')}": path
        for cell in study.cells
        for path in sorted((folder.cells / cell.key).glob(f"{PICTURE}*.png"))
    }


def _data_in_words(study: Study, folder: StudyFolder) -> dict[str, str]:
    """Sizes and sources of the data, with the tasks that share them, and remarks."""
    plans: dict[str, list[str]] = {}
    for task in study.tasks:
        plan = study.data_plan(task)
        text = (
            f"{plan.source or 'auto'}, split {plan.split or 'usual'}: {plan.n_train} training, "
            f"{plan.n_val} validation, {plan.n_test or 'all other'} test samples"
            + (", unchecked: units and signs may be wrong" if plan.unchecked else "")
        )
        plans.setdefault(text, []).append(task)
    found = {f"data of {', '.join(tasks)}": text for text, tasks in plans.items()}
    found |= {
        f"read from the file of {task}": "; ".join(remarks)
        for task, remarks in folder.data_remarks().items()
        if remarks
    }
    cautions = {caution(digest) for digest in folder.data_digests().values()} - {""}
    return found | ({"beware": "; ".join(sorted(cautions))} if cautions else {})
