"""`lkm-tune report` and `lkm-tune best-gamma`: what the finished runs say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lkm_tune.cli.answer_table import answer_table
from lkm_tune.cli.options import json_option, storage_option, study_names, user_errors
from lkm_tune.cli.stored_answers import MARGIN

if TYPE_CHECKING:
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.study import Study
    from lkm_tune.transfer import TransferReport

PREFIX = "layers-"
"""What the names of the pictures of a cell's networks begin with."""


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option(
    "--margin", default=MARGIN, show_default=True, help="Difference that does not matter."
)
@click.option(
    "--against",
    type=click.Choice(["paper"]),
    help="Also sets the gains of STUDY beside the published ones, with what differs.",
)
@click.option(
    "--from-mlflow",
    "uri",
    metavar="URI",
    help="Read the runs from this MLflow alone, without the storage folder of the studies.",
)
def report(
    study: str | None, storage: Path, margin: float, against: str | None, uri: str | None
) -> None:
    """Make the report of STUDY from its finished runs, or one of all studies together.

    Runs are read from the ledgers of the storage folder.

    \b
    Examples:
      lkm-tune report quickstart
      lkm-tune report quickstart --margin 0.02
      lkm-tune report paper_gamma --against paper
      lkm-tune report                          every study of the storage folder
      lkm-tune report quickstart --from-mlflow http://127.0.0.1:5000
    """
    from lkm_tune.cli.against import write_against_paper
    from lkm_tune.cli.console import say

    beside = None
    with user_errors():
        if against and not study:
            raise ValueError(f"--against {against} needs the name of one study")
        if against and uri:
            raise ValueError("--against needs the study's file, which --from-mlflow does not read")
        if uri:
            made, folder = _from_mlflow(uri, study, storage, margin)
        elif study:
            made, folder = _one_study(storage, study, margin)
        else:
            made, folder = _all_studies(storage, margin)
        made.write(folder)
        if against and study:
            beside = write_against_paper(made, _kept_study(storage, study)[0], folder)
    show_report(made)
    say(f"report: {folder / 'report.html'}")
    if beside:
        click.echo(beside.read_text(encoding="utf-8"))
        say(f"against the paper: {beside}")


def _one_study(storage: Path, study: str, margin: float) -> "tuple[TransferReport, Path]":
    kept, folder = _kept_study(storage, study)
    return make_report(kept, storage, margin=margin), folder.report


def _from_mlflow(
    uri: str, study: str | None, storage: Path, margin: float
) -> "tuple[TransferReport, Path]":
    from lkm_tune.tracking.importer import import_runs
    from lkm_tune.transfer import TransferReport
    from lkm_tune.transfer.report.stored_runs import training_time

    runs = import_runs(uri, [study] if study else None)
    if runs.empty:
        known = ", ".join(dict.fromkeys(import_runs(uri)["study"])) or "none"
        raise ValueError(
            f"no run of {study or 'a study'} has ended in this MLflow; studies with one: {known}"
        )
    provenance = {
        "studies": ", ".join(dict.fromkeys(runs["study"])),
        "read from": "MLflow alone",
        "runs": len(runs),
        "training time": training_time(runs),
    }
    made = TransferReport.from_runs(runs, margin=margin, provenance=provenance)
    return made, storage.expanduser().resolve() / "from-mlflow" / (study or "all")


def _kept_study(storage: Path, study: str) -> "tuple[Study, StudyFolder]":
    from lkm_tune.ledger.study_folder import StudyFolder

    (name,) = study_names(storage, study)
    folder = StudyFolder(storage, name)
    kept = folder.read_study()
    if kept is None:
        raise FileNotFoundError(f"study {name} has not been run in {storage}")
    return kept, folder


def _all_studies(storage: Path, margin: float) -> "tuple[TransferReport, Path]":
    from lkm_tune.cli.stored_answers import load_report

    return load_report(storage, margin), storage.resolve() / "transfer"


@click.command("best-gamma")
@storage_option
@click.option("--study", help="Only this study, by its own report; else all studies together.")
@click.option("--model", help="Only this model.")
@click.option("--task", help="Only this task.")
@json_option
def best_gamma(
    storage: Path, study: str | None, model: str | None, task: str | None, as_json: bool
) -> None:
    """Say which γ is best, with its interval and gain, from finished studies.

    For a model on a task that were not searched together, the γ to begin with is predicted from
    the cells that were.

    \b
    Examples:
      lkm-tune best-gamma
      lkm-tune best-gamma --model pamnet --task qm9/alpha
      lkm-tune best-gamma --study quickstart --json
    """
    import json

    with user_errors():
        found = _answers(storage, study, model, task)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from lkm_tune.cli.console import console, say

    console.print(answer_table(found))
    for answer in found:
        say(answer["sentence"])


def _answers(
    storage: Path, study: str | None, model: str | None, task: str | None
) -> list[dict[str, Any]]:
    from lkm_tune.cli.stored_answers import predicted, stored_answers

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


def make_report(
    study: "Study", storage: Path, *, margin: float = MARGIN, ended_by: str = "its plan"
) -> "TransferReport":
    """The report of a study from its ended runs.

    Args:
        study: The study.
        storage: Its storage folder.
        margin: Difference of the error, as a fraction, that does not matter.
        ended_by: What ended it, in words.

    Raises:
        ValueError: if no run of the study can be analysed.
    """
    from lkm_tune.ledger.importance import setting_importance
    from lkm_tune.ledger.run_table import ended, study_runs
    from lkm_tune.ledger.study_folder import StudyFolder
    from lkm_tune.ledger.trials import StudyTrials
    from lkm_tune.study import digest
    from lkm_tune.transfer import TransferReport
    from lkm_tune.transfer.report.stored_runs import training_time
    from lkm_tune.versions import package_versions

    folder = StudyFolder(storage, study.name)
    runs = ended(study_runs(folder))
    trials = StudyTrials.read(study, folder.ledger)
    provenance = {
        "study": study.name,
        "study digest": digest(study),
        **_data_told(study, folder),
        "budget": f"{study.training.epochs} epochs",
        "mixing": f"distance {study.lkm.distance}, reduction {study.lkm.reduction}, "
        f"teacher {study.lkm.teacher}, {study.lkm.mixing}",
        "runs": len(runs),
        "training time": training_time(runs),
        "ended by": ended_by,
        "versions": package_versions(),
    }
    return TransferReport.from_runs(
        runs,
        margin=margin,
        seed=study.seed,
        provenance=provenance,
        importance=setting_importance(study, trials),
        pictures=_pictures(study, folder),
    )


def _pictures(study: "Study", folder: "StudyFolder") -> dict[str, Path]:
    """What `lkm-tune diagnose` has drawn of the cells, by title."""
    return {
        f"{cell}: {path.stem.removeprefix(PREFIX).replace('-', ', ')}": path
        for cell in study.cells
        for path in sorted((folder.cells / cell.key).glob(f"{PREFIX}*.png"))
    }


def _data_told(study: "Study", folder: "StudyFolder") -> dict[str, str]:
    """Sizes and sources of the data, the tasks that share them together; then what to beware of."""
    from lkm_tune.datasets.registry import caution

    plans: dict[str, list[str]] = {}
    for task in study.tasks:
        plan = study.data_plan(task)
        text = (
            f"{plan.source or 'auto'}, split {plan.split or 'usual'}: {plan.n_train} training, "
            f"{plan.n_val} validation, {plan.n_test or 'all other'} test samples"
        )
        plans.setdefault(text, []).append(task)
    told = {f"data of {', '.join(tasks)}": text for text, tasks in plans.items()}
    cautions = {caution(digest) for digest in folder.data_digests().values()} - {""}
    return told | ({"beware": "; ".join(sorted(cautions))} if cautions else {})


def show_report(made: "TransferReport") -> None:
    """The answer on the terminal: each cell, each question, every warning."""
    from lkm_tune.cli.console import console, say
    from lkm_tune.transfer.report.answer import answer_record, cell_sentence

    console.print(answer_table([answer_record(answer) for answer in made.answers]))
    for answer in made.answers:
        say(cell_sentence(answer))
    for question in made.questions:
        say(f"{question.title} {question.answer}")
    for warning in made.warnings:
        say(f"warning: {warning}")
    for sign in made.signs:
        say(f"sign of trouble: {sign}")


def finished_answers(storage: Path, name: str) -> list[dict[str, Any]]:
    """What the report of a study answers, cell by cell.

    Raises:
        FileNotFoundError: if the study has no report yet.
    """
    import json

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
