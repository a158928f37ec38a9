"""`lkm-tune best-gamma`: the answers of finished studies, in words or as JSON."""

from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option, margin_option, storage_option, url_option


@click.command("best-gamma", cls=Verb)
@storage_option
@click.option("--study", help="Show the report of this study instead of all studies together.")
@click.option("--model", help="Only this model.")
@click.option("--task", help="Only this task.")
@margin_option
@url_option
@json_option
def best_gamma(
    storage: Path,
    study: str | None,
    model: str | None,
    task: str | None,
    margin: float | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Show the recommended γ of each cell, its gain, and whether it works in other cells.

    Verdicts are known at margins of 0.01, 0.02 and 0.05, and at the margin of the report.

    If no study has searched a model on a task, the answer is a prediction from the searched cells.
    The names must exist: searched, of `lkm-tune models` and `lkm-tune tasks`, or your own.

    \b
    Examples:
      lkm-tune best-gamma
      lkm-tune best-gamma --model pamnet --task qm9/alpha
      lkm-tune best-gamma --study quickstart --margin 0.05
      lkm-tune best-gamma --study quickstart --json
      lkm-tune best-gamma --model pamnet --url http://127.0.0.1:8420
    """
    import json

    from lkm_tune.cli.console import line_width, say

    if url is not None:
        from lkm_tune.cli.remote import ask

        question = {"study": study, "model": model, "task": task, "margin": margin}
        found, lines = ask(url, {**question, "width": line_width()})
    elif as_json:
        found, lines = app.best_gamma(storage, study, model, task, margin), []
    else:
        lines = app.best_gamma_lines(storage, study, model, task, margin, line_width())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    for line in [] if as_json else lines:
        say(line)
